"""All words and number formats of the terminal, as lines of toned text; knows nothing of Textual.

``pieces``   lines, tones, fitting and wrapping
``numbers``  numbers, times and text from outside
``words``    the states of grids, slots, orders and connections: glyph, word, tone
``chart``    small drawings made of block characters
``ladder``   one line per slot, the price line, and which columns fit
``rewind``   what is said while the past is shown
``status``, ``profit``, ``slot``, ``events``, ``questions``, ``dialogs``, ``manual``  the lines of a pane or screen
"""
