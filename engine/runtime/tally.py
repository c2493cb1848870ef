"""What a comparison of books and exchange did, in figures and in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What one pass did. ``has_doubts`` while something was found once only; ``has_moved`` when the books
    changed while they were compared, so that another look is worth it."""

    orders: int = 0
    corrected: int = 0
    asked: int = 0
    has_doubts: bool = False
    has_moved: bool = False

    def plus(self, other: "Tally") -> "Tally":
        return Tally(
            orders=self.orders + other.orders,
            corrected=self.corrected + other.corrected,
            asked=self.asked + other.asked,
            has_doubts=self.has_doubts or other.has_doubts,
            has_moved=self.has_moved or other.has_moved,
        )

    def __str__(self) -> str:
        if not self.corrected and not self.asked:
            return f"{self.orders} orders compared, nothing to correct"
        return f"{self.orders} orders compared, {self.corrected} corrected, {self.asked} put to you as questions"
