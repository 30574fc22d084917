"""The table in docs/amqp_support.md."""

import pathlib

from differences import DIFFERENCES

FILE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "amqp_support.md"
BEGIN = "<!-- compat: begin; written by ./dev compat --write -->"
END = "<!-- compat: end -->"
CELL_MAX = 220


def cell(lines):
    text = "; ".join(lines).replace("|", "\\|").replace("\r", "\\r").replace("\n", "\\n")
    text = text.replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")
    return text if len(text) <= CELL_MAX else text[: CELL_MAX - 2] + " …"


def table(chosen, outcomes):
    lines = [f"{len(chosen)} scenarios; RabbitMQ {outcomes['version']}."]
    area = None
    for each in chosen:
        if each.area != area:
            area = each.area
            lines += ["", f"### {area}", "| scenario | RabbitMQ | Pannier |", "|---|---|---|"]
        theirs = cell(outcomes["rabbitmq"][each.name])
        ours = "the same"
        if each.name in DIFFERENCES:
            ours = f"{cell(outcomes['pannier'][each.name])} — {DIFFERENCES[each.name]}"
        lines.append(f"| {each.title.replace('|', chr(92) + '|')} | {theirs} | {ours} |")
    return "\n".join(lines)


def write(chosen, outcomes):
    text = FILE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    FILE.write_text(f"{before}{BEGIN}\n{table(chosen, outcomes)}\n{END}{after}")
