"""Every RPC by every kind of caller, as the running server behaves, against `matrix.golden`, which people review.

`STACKLY_UPDATE_GOLDEN=1 python -m pytest tests/server/rules/test_matrix.py` writes the file anew; the test fails all the
same when it differed, so that nothing passes unread. The words: `ok`; `denied`, the permission is missing; `unseen`, there
is no such thing; `unsigned`, `forged`, `late`: no credential, none for this call, an old one; `elsewhere`, `absent`: the
call is for the other listener; `unproved`: not before the worker's capabilities are proved. All other ends stand there by
code and reason. Each call finds the accounts as they were made.
"""

import os
from difflib import unified_diff

from server.rules.account import Street
from server.rules.calls import RPCS
from server.rules.matrix import GOLDEN, observe, observe_variants, table
from stackly.options.v1 import options_pb2
from stackly_server.access import ROLES


async def test_every_caller_of_every_rpc(street: Street) -> None:
    seen = table({**await observe(street), **await observe_variants(street)})
    known = GOLDEN.read_text()
    if seen != known and os.environ.get("STACKLY_UPDATE_GOLDEN"):
        GOLDEN.write_text(seen)
    changed = "\n".join(unified_diff(known.splitlines(), seen.splitlines(), "golden", "seen", lineterm="", n=0))
    assert not changed, f"the server treats its callers in another way than people agreed to:\n{changed}"


def test_the_golden_file_is_what_the_descriptors_say() -> None:
    """No second table of rules: what people reviewed must be the roles' permissions and the audiences, row by row."""
    header, *lines = (
        line.split() for line in GOLDEN.read_text().splitlines() if line.partition(" ")[0] in {"rpc", *RPCS}
    )
    assert [line[0] for line in lines] == list(RPCS), "an RPC is missing in the golden file"
    for name, *cells in lines:
        rule = RPCS[name].rule
        words = dict(zip(header[1:], cells, strict=False))
        if rule.audience == options_pb2.AUDIENCE_USER:
            through = {role for role in ROLES if words[role] == "ok"}
            assert through == {role for role in ROLES if not rule.permission or rule.permission in ROLES[role]}, name
            assert (words["none"], words["expired"], words["run"]) == ("unsigned", "late", "forged"), name
            assert not RPCS[name].naming or words["other"] == "unseen", name
        elif rule.audience in {options_pb2.AUDIENCE_RUN, options_pb2.AUDIENCE_WORKER}:
            only = "run" if rule.audience == options_pb2.AUDIENCE_RUN else "worker"
            assert [caller for caller, cell in words.items() if cell == "ok" and caller != "pending"] == [only], name
