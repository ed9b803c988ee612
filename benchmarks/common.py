"""What the benchmark scripts share: running programs in turn, medians and ranges, tables, JSON."""
import datetime
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = pathlib.Path(os.environ.get("STC_BIN_DIR", ROOT / "build" / "release" / "bin"))


def fail(message):
    """Ends the script with the project's one-line error."""
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def add_common_options(parser, rounds):
    parser.add_argument("--rounds", type=int, default=rounds,
                        help="how often each is measured, all taking turns (default: %(default)s)")
    parser.add_argument("--launcher", default="", metavar="COMMAND",
                        help='put before every measured program, e.g. "taskset -c 0,1"')
    parser.add_argument("-o", "--output", metavar="FILE", help="write all results as JSON")


def run(command, launcher=""):
    """Standard output of a command; a failure ends the script with the last line it printed."""
    words = shlex.split(launcher) + [str(word) for word in command]
    try:
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    except OSError as error:
        fail(f"{words[0]}: {error.strerror}")
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        fail(f"{shlex.join(words)}: exit {result.returncode}: {lines[-1]}")
    return result.stdout


def read_text(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def machine():
    """What a reader must know about this machine to judge the numbers."""
    names = [line.split(":", 1)[1].strip() for line in read_text("/proc/cpuinfo").splitlines()
             if line.startswith(("model name", "CPU part"))]
    memory = read_text("/proc/meminfo").splitlines()
    return {"cpu": names[0] if names else platform.machine(), "architecture": platform.machine(),
            "processors": len(os.sched_getaffinity(0)),
            "memory": memory[0].split(":")[1].strip() if memory else "",
            "kernel": platform.release(),
            "transparent_huge_pages": read_text("/sys/kernel/mm/transparent_hugepage/enabled"),
            "load": read_text("/proc/loadavg"),
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}


def summary(values):
    """Median and both ends."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values),
            "values": values}


def show(value, digits=3):
    """A number with so many significant digits, never in exponent form."""
    if isinstance(value, str):
        return value
    if value is None:
        return "-"
    if value and abs(value) < 10 ** digits:
        return f"{value:.{digits}g}"
    return f"{value:.0f}"


def show_range(result, scale=1, unit=""):
    """median [least, most]"""
    if result is None:
        return "-"
    median, least, most = (show(result[key] * scale) for key in ("median", "least", "most"))
    return f"{median}{unit} [{least}, {most}]"


def table(header, rows):
    """A Markdown table whose columns line up."""
    lines = [header] + [[show(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) +
                     " |" for line in lines)


def bars(title, values, width=40):
    """A bar chart in text; `values` are pairs of a name and a number."""
    most = max((value for _, value in values), default=0) or 1
    names = max(len(name) for name, _ in values)
    return "\n".join([title] + [f"  {name.ljust(names)} {'#' * round(width * value / most)} "
                                f"{show(value)}" for name, value in values])


def write_json(path, results):
    if path:
        pathlib.Path(path).write_text(json.dumps(
            {"machine": machine(), "command": sys.argv, **results}, indent=1) + "\n")
