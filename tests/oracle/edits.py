"""Random edits of random roots: change, add, remove, rename, count up and down; the same seed gives the same edits."""

import re
from collections.abc import Callable, Iterator
from random import Random

from oracle.roots import Files

_BLOCK = re.compile(r'^(\w+) (?:"(\w+)" )?(?:"(\w+)" )?\{\n.*?^\}$', re.MULTILINE | re.DOTALL)
_COUNT = re.compile(r"count = length\(\[(.*), 2(, 2)?\]\)")


def edits(random: Random, files: Files, steps: int) -> Iterator[Files]:
    """The root after each of so many edits; an edit that does not fit the root is left out."""
    for number in range(steps):
        chosen = random.choice(_EDITS)
        files = chosen(random, files, number) or files
        yield files


def _main(files: Files, text: str) -> Files:
    return {**files, "main.tf": text}


def _place(random: Random, files: Files) -> str:
    return random.choice(["main.tf", "main.tf", *(name for name in sorted(files) if name.startswith("modules/"))])


def _default(random: Random, files: Files, number: int) -> Files | None:
    """Another default of a variable."""
    found = re.findall(r'  default = "(\w+)"', files["main.tf"])
    if not found:
        return None
    chosen = random.choice(found)
    return _main(files, files["main.tf"].replace(f'  default = "{chosen}"', f'  default = "{chosen}x{number}"', 1))


def _literal(random: Random, files: Files, number: int) -> Files | None:
    """Another literal, in the root or inside of a module."""
    place = _place(random, files)
    found = [match.start() for match in re.finditer(r'"plain"|1\.50', files[place])]
    if not found:
        return None
    at, text = random.choice(found), files[place]
    end = at + (7 if text[at] == '"' else 4)
    fresh = f'"plain{number}"' if text[at] == '"' else f"{2 + number}.50"
    return {**files, place: f"{text[:at]}{fresh}{text[end:]}"}


def _added(random: Random, files: Files, number: int) -> Files | None:
    """One more resource of the root, that reads what is there."""
    calls = re.findall(r'^module "(\w+)"', files["main.tf"], re.MULTILINE)
    reads = [f"jsonencode(module.{name})" for name in calls] + ['"new"']
    waits = f"\n  depends_on = [module.{random.choice(calls)}]" if calls and random.random() < 0.3 else ""
    block = f'\nresource "terraform_data" "added{number}" {{\n  input = md5({random.choice(reads)}){waits}\n}}\n'
    return _main(files, files["main.tf"] + block)


def _removed(random: Random, files: Files, number: int) -> Files | None:
    """A block of the root that nothing refers to goes."""
    text = files["main.tf"]
    free = [match for match in _BLOCK.finditer(text) if not _is_read(text, match)]
    if not free:
        return None
    chosen = random.choice(free)
    return _main(files, text[: chosen.start()] + text[chosen.end() :])


def _is_read(text: str, block: "re.Match[str]") -> bool:
    kind, first, second = block.groups()
    name = {"module": f"module.{first}", "resource": f"{first}.{second}", "data": f"data.{first}.{second}",
            "variable": f"var.{first}"}.get(kind)  # fmt: skip
    if kind in {"output", "check"}:
        return False
    rest = text[: block.start()] + text[block.end() :]
    return name is None or re.search(rf"\b{re.escape(name)}\b", rest) is not None


def _renamed(random: Random, files: Files, number: int) -> Files | None:
    """A module of the root has another name; a moved block says so."""
    calls = re.findall(r'^module "(\w+)"', files["main.tf"], re.MULTILINE)
    if not calls:
        return None
    old = random.choice(calls)
    new = f"{old}n{number}"
    text = re.sub(rf"\bmodule\.{old}\b", f"module.{new}", files["main.tf"]).replace(
        f'module "{old}"', f'module "{new}"'
    )
    return _main(files, f"{text}\nmoved {{\n  from = module.{old}\n  to   = module.{new}\n}}\n")


def _counted(random: Random, files: Files, number: int) -> Files | None:
    """One more instance, or again one less."""
    place = _place(random, files)
    found = list(_COUNT.finditer(files[place]))
    if not found:
        return None
    one = random.choice(found)
    more = "" if one.group(2) else ", 2"
    text = f"count = length([{one.group(1)}, 2{more}])"
    return {**files, place: files[place][: one.start()] + text + files[place][one.end() :]}


def _inside(random: Random, files: Files, number: int) -> Files | None:
    """One more resource inside of a module, or create_before_destroy on it the second time."""
    places = [name for name in sorted(files) if name.startswith("modules/")]
    place = random.choice(places)
    block = f'\nresource "terraform_data" "inner{number}" {{\n  input = path.module\n  triggers_replace = "t"\n}}\n'
    return {**files, place: files[place] + block}


def _triggered(random: Random, files: Files, number: int) -> Files | None:
    """Something is replaced, in the root or inside of a module."""
    place = _place(random, files)
    found = list(re.finditer(r"  triggers_replace = \[", files[place]))
    if not found:
        return None
    one = random.choice(found)
    return {**files, place: f'{files[place][: one.end()]}"{number}", {files[place][one.end() :]}'}


_EDITS: tuple[Callable[[Random, Files, int], Files | None], ...] = (
    _default, _literal, _added, _removed, _removed, _renamed, _counted, _inside, _triggered, _triggered,
)  # fmt: skip
