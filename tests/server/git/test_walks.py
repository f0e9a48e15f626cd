"""Random walks: whatever a branch goes through, codes and stack states are what its head asks for."""

from dataclasses import dataclass, field
from random import Random

import pytest

from pushing import MODULE, World
from stackly_server.stacks.model import CodeStatus

PATHS = ("", "a", "a/b", "c")
GOOD = 'stack "{name}" {{\n  auto_deploy = {auto}\n}}\n'
BLOCKS = 'stack "{name}" {{\n{states}}}\n'


@dataclass
class Model:
    """What ought to be: by path, the blocks of the last good file, whether it is there, and all blocks ever seen."""

    random: Random
    files: dict[str, bytes] = field(default_factory=dict)
    blocks: dict[str, set[str]] = field(default_factory=dict)
    ever: dict[str, set[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def step(self) -> None:
        path = self.random.choice(PATHS)
        prefix = f"{path}/" if path else ""
        action = self.random.choice(["add", "add", "blocks", "blocks", "break", "remove", "module"])
        file = f"{prefix}stackly.hcl"
        if action == "module":
            self.files[f"{prefix}main.tf"] = MODULE + str(self.random.random()).encode().join([b"# ", b"\n"])
        elif action == "remove":
            self.files.pop(file, None)
        elif action == "break":
            self.files[file] = f"stack {self.random.random()}".encode()
            self.broken.add(path)
        else:
            self._write(path, file, blocks=action == "blocks")

    def _write(self, path: str, file: str, *, blocks: bool) -> None:
        name = f"s{PATHS.index(path)}"
        states = {state for state in ("x", "y", "z") if self.random.random() < 0.5} if blocks else set()
        body = "".join(f'  state "{state}" {{\n  }}\n' for state in sorted(states))
        auto = str(self.random.random() < 0.5).lower()
        text = BLOCKS.format(name=name, states=body) if states else GOOD.format(name=name, auto=auto)
        self.files[file] = text.encode()
        self.broken.discard(path)
        self.blocks[path] = states or {""}

    def check_known(self, path: str) -> bool:
        return (f"{path}/" if path else "") + "stackly.hcl" in self.files


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_codes_and_states_follow_the_head(world: World, seed: int) -> None:
    model = Model(Random(seed))
    parents: tuple[str, ...] = ()
    for _ in range(12):
        for _ in range(model.random.randint(1, 3)):
            model.step()
        head = world.commit(model.files or {"README.md": b""}, *parents)
        parents = (head,)
        await world.push(head)
        await check(world, model)
        before = world.runs.take()
        assert (await world.push(head)).changes == []
        assert world.runs.take() == []
        assert len(before) == len({state for state, _, _ in before})


async def check(world: World, model: Model) -> None:
    codes, states = await world.codes(), (await world.stack_states()).values()
    for path, code in codes.items():
        there = model.check_known(path)
        broken = path in model.broken
        wanted = CodeStatus.INVALID if broken else CodeStatus.ACTIVE
        assert code.status is (wanted if there else CodeStatus.DEREGISTERED), path
        alive = {
            one.state.state_block
            for one in states
            if one.state.stack_code_id == code.id and one.state.status != "LOOSE"
        }
        if there and not broken:
            assert alive == model.blocks[path], path
        elif not there:
            assert alive == set(), path
    assert {path for path in PATHS if model.check_known(path)} <= set(codes)
