"""A stack that applies slowly and keeps a ledger of what it did outside Terraform."""

from pathlib import Path


def slow_code(ledger: Path, count: int = 4, seconds: float = 0.5) -> str:
    """`count` resources one after the other; each notes begin and end of its creation in the ledger."""
    parts = [
        f"""
resource "terraform_data" "r{number}" {{
  input      = "{number}"
  depends_on = [{f"terraform_data.r{number - 1}" if number else ""}]
  provisioner "local-exec" {{
    command = "echo begin {number} >> {ledger}; sleep {seconds}; echo end {number} >> {ledger}"
  }}
}}"""
        for number in range(count)
    ]
    return "\n".join(parts)


def noted(ledger: Path, word: str) -> list[str]:
    """Numbers of the resources that began (`begin`) or ended (`end`)."""
    if not ledger.exists():
        return []
    lines = (line.split() for line in ledger.read_text().splitlines())
    return [number for kind, number in lines if kind == word]
