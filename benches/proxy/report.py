"""Turns samples into tables for people and a JSON file for programs."""

import json
import statistics


def median_range(values):
    """`(median, least, greatest)`."""
    return statistics.median(values), min(values), max(values)


def spread(values, form="{:.2f}"):
    """`1.03 (0.99 to 1.05)`."""
    median, low, high = median_range(values)
    return f"{form.format(median)} ({form.format(low)} to {form.format(high)})"


def percentile(values, share):
    """The nearest-rank percentile; `share` is 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def table(title, header, rows):
    """Prints a Markdown table: readable as it stands and ready for docs/benchmarks.md."""
    cells = [list(map(str, header)), *[list(map(str, row)) for row in rows]]
    widths = [max(len(row[at]) for row in cells) for at in range(len(header))]
    line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
    print(f"\n### {title}\n")
    print(line(cells[0]))
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in cells[1:]:
        print(line(row))
    print(flush=True)


def gate(name, value, gate_at, goal_at, higher_is_better=True):
    """One line: reached the goal, the gate, or neither."""
    better = (lambda limit: value >= limit) if higher_is_better else (lambda limit: value <= limit)
    word = "goal reached" if better(goal_at) else "gate passed" if better(gate_at) else "BELOW THE GATE"
    print(f"- {name}: {value:.2f} (gate {gate_at}, goal {goal_at}): {word}", flush=True)
    return {"name": name, "value": value, "gate": gate_at, "goal": goal_at, "passed": better(gate_at)}


def save(path, results):
    """Writes everything that was measured."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2, sort_keys=True)
        file.write("\n")
