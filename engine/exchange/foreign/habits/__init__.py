"""The habits of single exchanges as data: ids, codes, pages, limits, what they and their keys can do."""
