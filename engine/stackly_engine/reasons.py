"""Why a unit runs or is skipped, why a root runs whole: one small vocabulary."""

from dataclasses import dataclass

# A unit is skipped.
UNCHANGED = "unchanged"
# A unit runs by itself.
NEW, INCOMPLETE, STATE, REMOVED, MOVED, DRIFT, AUDIT = (
    "new",
    "incomplete",
    "state",
    "removed",
    "moved",
    "drift",
    "audit",
)
FORCED, IMPURE, DATA, AGE, EXPORT = "forced", "impure", "data", "age", "export"
# A part of its fingerprint moved; in this order, the first of them is the headline.
SCHEMA, VERSION, CODE, VARIABLE, INPUT, PROVIDER = "schema", "version", "code", "variable", "input", "provider"
PACKAGE, ENVIRONMENT, FILE, APPLIED = "package", "environment", "file", "applied"
PARTS = (SCHEMA, VERSION, CODE, VARIABLE, INPUT, PROVIDER, PACKAGE, ENVIRONMENT, FILE, APPLIED)
# It runs since its batch does; it does not start since what it needs failed.
TOGETHER, BLOCKED = "together", "blocked"
# The root runs whole (others come from reading the source).
CHEAPER = "cheaper"


@dataclass(frozen=True, slots=True, order=True)
class Reason:
    """A code of this page and what it is about: `code: modules/app/main.tf`, `input: module.vpc.id`, `unchanged`."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}" if self.detail else self.code
