"""Draws grafana/dashboards/stenobot.json with recorded answers of Prometheus as one HTML page, in Grafana's dark look.

usage: draw.py DASHBOARD.json ANSWERS.json PAGE.html

Only the panel types and options that the dashboard uses are known; anything else stops with an error.
"""

import html
import json
import math
import re
import sys
import time

WIDTH, CELL, GAP, HEADER = 1440, 30, 8, 56
PALETTE = ["#73BF69", "#F2CC0C", "#8AB8FF", "#FF780A", "#F2495C", "#5794F2", "#B877D9", "#705DA0", "#37872D", "#FADE2A"]
COLORS = {
    "green": "#73BF69", "yellow": "#FADE2A", "orange": "#FF9830", "red": "#F2495C", "blue": "#5794F2",
    "purple": "#B877D9", "light-purple": "#CA95E5", "light-blue": "#8AB8FF", "semi-dark-blue": "#3274D9", "dark-red": "#C4162A",
    "light-yellow": "#FFEE52", "text": "#ccccdc", "transparent": "none",
}
SHADES = {"red": ["#F2495C", "#C4162A", "#FF7383", "#AD0317"], "yellow": ["#FADE2A", "#E0B400", "#FFEE52", "#F2CC0C"]}
STYLE = """
* { box-sizing: border-box; margin: 0; font-family: Inter, sans-serif; }
body { background: #111217; color: #ccccdc; width: %dpx; }
header { height: 48px; padding: 0 16px; display: flex; align-items: center; gap: 12px; font-size: 14px; }
header b { font-weight: 500; font-size: 16px; flex: 1; }
header span { border: 1px solid #2e3036; background: #181b1f; border-radius: 2px; padding: 6px 10px; font-size: 12px; }
.at { position: absolute; overflow: hidden; }
.row { font-size: 16px; font-weight: 500; padding: 4px 2px; }
.panel { background: #181b1f; border: 1px solid #23252b; border-radius: 2px; }
.panel h2 { position: relative; z-index: 1; font-size: 14px; font-weight: 500; padding: 7px 8px 0; height: 28px; white-space: nowrap; overflow: hidden; }
.big { position: absolute; left: 0; right: 0; text-align: center; font-weight: 500; }
.legend { position: absolute; left: 8px; right: 8px; bottom: 5px; font-size: 12px; line-height: 18px; }
.legend i { display: inline-block; width: 14px; height: 4px; border-radius: 2px; margin: 0 5px 2px 0; }
.legend span { margin-right: 12px; white-space: nowrap; }
table { width: 100%%; border-collapse: collapse; font-size: 13px; }
th { color: #6e9fff; font-weight: 500; } th, td { text-align: left; padding: 6px 10px; border-bottom: 1px solid #23252b; }
svg { display: block; } svg text { font-size: 12px; fill: #9fa0aa; }
""" % WIDTH


# === Numbers as Grafana writes them ===

def digits(value, decimals):
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or size == int(size) else 1 if size >= 10 else 2
        return f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    return f"{value:.{decimals}f}"


def scaled(value, decimals, steps):
    """The value in the largest of these units that it reaches; the smallest comes first."""
    unit, size = steps[0]
    for unit, size in (step for step in reversed(steps) if abs(value) >= step[1] or step is steps[0]):
        break
    return f"{digits(value / size, decimals)} {unit}".strip()


def written(value, unit, decimals=None):
    """A value with its unit."""
    if not math.isfinite(value):
        return str(value)
    match unit:
        case "none" | "short":
            return digits(value, decimals)
        case "percentunit":
            return f"{digits(value * 100, decimals)}%"
        case "s" if value == 0:
            return "0 s"
        case "s":
            return scaled(value, decimals, [("µs", 1e-6), ("ms", 1e-3), ("s", 1), ("mins", 60), ("hours", 3600)])
        case "bytes":
            return scaled(value, decimals, [("B", 1), ("KiB", 2**10), ("MiB", 2**20), ("GiB", 2**30)])
        case "reqps":
            return f"{digits(value, decimals)} req/s"
        case "dtdurations":
            return f"{int(value // 60)} minutes, {int(value % 60)} seconds"
    if unit.startswith("suffix:"):
        return digits(value, decimals) + unit.removeprefix("suffix:")
    raise SystemExit(f"unknown unit {unit}")


def color_at(steps, value):
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return COLORS[reached[-1]]


# === Series with their looks ===

class Series:
    """One line of a panel: its name, its points and what the panel's overrides say of it."""

    def __init__(self, name, points, defaults):
        self.name, self.points = name, points
        custom = defaults.get("custom", {})
        self.color, self.shade = None, None
        self.custom = {**custom}

    def override(self, rules):
        for rule in rules:
            kind, wanted = rule["matcher"]["id"], rule["matcher"]["options"]
            if not (self.name == wanted if kind == "byName" else re.search(wanted.strip("/"), self.name)):
                continue
            for prop in rule["properties"]:
                if prop["id"] == "color":
                    value = prop["value"]
                    self.color = COLORS[value["fixedColor"]]
                    self.shade = value["fixedColor"] if value["mode"] == "shades" else None
                elif prop["id"].startswith("custom."):
                    self.custom[prop["id"].removeprefix("custom.")] = prop["value"]

    def stacked(self):
        return self.custom["stacking"]["mode"] == "normal"


def series_of(panel, answers):
    defaults, found = panel["fieldConfig"]["defaults"], []
    for target in panel["targets"]:
        for series in sorted(answers[str(panel["id"])][target["refId"]], key=lambda series: sorted(series["metric"].items())):
            labels = series["metric"]
            name = re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), target["legendFormat"]) or "value"
            points = [(float(at), float(value)) for at, value in series["values"]]
            found.append(Series(name, points, defaults))
    shades = {}
    for index, series in enumerate(found):
        series.override(panel["fieldConfig"]["overrides"])
        if series.shade:
            index = shades[series.shade] = shades.get(series.shade, -1) + 1
            series.color = SHADES[series.shade][index % 4]
        series.color = series.color or PALETTE[index % len(PALETTE)]
    return found


# === Panels ===

def nice(top, bottom=0.0, wanted=4):
    """Round numbers for an axis."""
    rough = (top - bottom) / wanted or 1
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough)
    return [bottom + step * i for i in range(int(math.floor((top - bottom) / step + 1e-9)) + 1)]


def timeseries(panel, answers, width, height):
    begin, end, step = answers["from"], answers["to"], answers["step"]
    defaults, lines = panel["fieldConfig"]["defaults"], series_of(panel, answers["panels"])
    bars = defaults["custom"]["drawStyle"] == "bars"
    legend_lines, used = 1, 0
    for line in lines:
        used += 36 + 6.4 * len(line.name)
        if used > width - 16:
            legend_lines, used = legend_lines + 1, 36 + 6.4 * len(line.name)
    height -= 34 + 18 * legend_lines + 6
    base, shown, dashes, top = {}, [], [], 0
    for line in lines:
        points = [(at, value) for at, value in line.points if math.isfinite(value)]
        lower = [(at, base.get(at, 0.0) if line.stacked() else 0.0) for at, _ in points]
        upper = [(at, value + low) for (at, value), (_, low) in zip(points, lower)]
        if line.stacked():
            base.update(upper)
        top = max([top] + [value for _, value in upper])
        shown.append((line, lower, upper))
    if defaults["custom"]["thresholdsStyle"]["mode"] == "dashed":
        dashes = [step for step in defaults["thresholds"]["steps"] if step["value"] is not None]
        top = max([top] + [step["value"] for step in dashes])
        dashes = [(step["value"], next(s["color"] for s in [step, defaults["thresholds"]["steps"][0]] if s["color"] != "transparent")) for step in dashes]
    unit, decimals = defaults["unit"], defaults.get("decimals")
    top = defaults.get("max") or top * 1.06 or 1
    ticks = nice(top, wanted=max(2, height // 40))
    if decimals == 0:
        ticks = [tick for tick in ticks if tick == int(tick)]
    if unit == "bytes":
        size = 2 ** (10 * int(math.log2(top) // 10))
        ticks = [tick * size for tick in nice(top / size, wanted=max(2, height // 40))]
    names = [written(tick, unit, decimals) for tick in ticks]
    left = 12 + 6.6 * max(map(len, names))
    right = width - 12
    x = lambda at: left + (at - begin) / (end - begin) * (right - left)
    y = lambda value: 8 + (1 - min(value / top, 1)) * (height - 30)
    out = []
    for tick, name in zip(ticks, names):
        out.append(f'<line x1="{left}" x2="{right}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#24272e"/>')
        out.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{html.escape(name)}</text>')
    minutes = 60 if width > 420 else 120
    for at in range(int(begin // minutes + 1) * minutes, int(end) + 1, minutes):
        label = time.strftime("%H:%M", time.gmtime(at))
        out.append(f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="8" y2="{height - 22}" stroke="#24272e"/>')
        if left < x(at) < right - 14:
            out.append(f'<text x="{x(at):.1f}" y="{height - 6}" text-anchor="middle">{label}</text>')
    for value, color in dashes:
        out.append(f'<line x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="{COLORS[color]}" stroke-dasharray="6 5"/>')
    for line, lower, upper in shown:
        out.append(bar_shapes(line, lower, upper, x, y, step) if bars else line_shapes(line, lower, upper, x, y, step))
    names = "".join(f'<span><i style="background:{line.color}"></i>{html.escape(line.name)}</span>' for line in lines)
    return f'<svg width="{width - 2}" height="{height}">{"".join(out)}</svg><div class="legend">{names}</div>'


def bar_shapes(line, lower, upper, x, y, step):
    shapes, wide = [], max(1.5, (x(step) - x(0)) * 0.95)
    for (at, low), (_, high) in zip(lower, upper):
        if high > low:
            shapes.append(f'<rect x="{x(at) - wide / 2:.1f}" y="{y(high):.1f}" width="{wide:.1f}" height="{y(low) - y(high):.1f}"/>')
    return f'<g fill="{line.color}" fill-opacity="{line.custom["fillOpacity"] / 100}">{"".join(shapes)}</g>'


def line_shapes(line, lower, upper, x, y, step):
    out, pieces = [], []
    for index, point in enumerate(upper):
        if not index or point[0] - upper[index - 1][0] > 1.5 * step:
            pieces.append([])
        pieces[-1].append(index)
    dash = ' stroke-dasharray="8 6"' if line.custom.get("lineStyle", {}).get("fill") == "dash" else ""
    for piece in pieces:
        over = " ".join(f"{x(upper[i][0]):.1f},{y(upper[i][1]):.1f}" for i in piece)
        under = " ".join(f"{x(lower[i][0]):.1f},{y(lower[i][1]):.1f}" for i in reversed(piece))
        if line.custom["fillOpacity"]:
            out.append(f'<polygon points="{over} {under}" fill="{line.color}" fill-opacity="{line.custom["fillOpacity"] / 100}"/>')
        out.append(f'<polyline points="{over}" fill="none" stroke="{line.color}" stroke-width="{line.custom["lineWidth"]}"{dash}/>')
        if len(piece) == 1:
            i = piece[0]
            out.append(f'<circle cx="{x(upper[i][0]):.1f}" cy="{y(upper[i][1]):.1f}" r="2" fill="{line.color}"/>')
    return "".join(out)


def last(panel, answers):
    """The last value of a panel with one series, how it is written, and its colour."""
    defaults, series = panel["fieldConfig"]["defaults"], series_of(panel, answers["panels"])
    points = [(at, value) for at, value in series[0].points if math.isfinite(value)] if series else []
    if not points:
        return [], None, defaults["noValue"], COLORS["text"]
    value = points[-1][1]
    for mapping in defaults["mappings"]:
        if (found := mapping["options"].get(f"{value:.0f}")):
            return points, value, found["text"], COLORS[found["color"]]
    return points, value, written(value, defaults["unit"], defaults.get("decimals")), color_at(defaults["thresholds"]["steps"], value)


def stat(panel, answers, width, height):
    points, _, text, color = last(panel, answers)
    filled = panel["options"]["colorMode"] == "background"
    spark = ""
    if panel["options"]["graphMode"] == "area" and points:
        top, low = max(max(value for _, value in points), 1e-9), 38
        place = lambda at, value: f"{(at - answers['from']) / (answers['to'] - answers['from']) * width:.1f},{(1 - value / top) * (low - 4) + 2:.1f}"
        curve = " ".join(place(*point) for point in points)
        edge = f"{place(points[-1][0], 0)} {place(points[0][0], 0)}"
        spark = (f'<svg class="at" style="left:0;bottom:0" width="{width}" height="{low}"><polygon points="{curve} {edge}" fill="{color}" '
                 f'fill-opacity="0.2"/><polyline points="{curve}" fill="none" stroke="{color}" stroke-width="1.5"/></svg>')
    top, size = (40, 34) if spark else (54, 38)
    size = min(size, round(width * 1.55 / len(text)))
    big = f'<div class="big" style="top:{top}px;font-size:{size}px;color:{"#fff" if filled else color}">{html.escape(text)}</div>'
    back = f'<div class="at" style="inset:0;background:{color};opacity:0.85"></div>' if filled else ""
    return back + spark + big


def gauge(panel, answers, width, height):
    _, value, text, color = last(panel, answers)
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    middle, floor, radius = width / 2, height - 52, 66
    # An arc a little longer than a half circle, as Grafana's.
    begin, turn = math.radians(194), math.radians(208)

    def arc(start, end, radius, wide, color):
        point = lambda share: (middle + radius * math.cos(begin - turn * share), floor - radius * math.sin(begin - turn * share))
        (x0, y0), (x1, y1) = point(start), point(end)
        return (f'<path d="M{x0:.1f} {y0:.1f} A{radius} {radius} 0 {int((end - start) * turn > math.pi)} 1 {x1:.1f} {y1:.1f}" '
                f'fill="none" stroke="{color}" stroke-width="{wide}"/>')

    edges = [step["value"] or 0 for step in steps] + [1]
    marks = "".join(arc(edges[i], edges[i + 1], radius, 4, COLORS[step["color"]]) for i, step in enumerate(steps))
    filled = arc(0, min(value, 1), radius - 14, 18, color) if value else ""
    number = f'<text x="{middle}" y="{floor + 2}" text-anchor="middle" style="font-size:28px;font-weight:500;fill:{color}">{text}</text>'
    return f'<svg width="{width - 2}" height="{height - 30}">{arc(0, 1, radius - 14, 18, "#2c2f36")}{filled}{marks}{number}</svg>'


def timeline(panel, answers, width, height):
    begin, end, step = answers["from"], answers["to"], answers["step"]
    lines, options = series_of(panel, answers["panels"]), panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    left, right, tall = 24 + 6.6 * max(len(line.name) for line in lines), width - 12, (height - 56) / len(lines)
    x = lambda at: left + (at - begin) / (end - begin) * (right - left)
    out = []
    for number, line in enumerate(lines):
        top = 4 + number * tall
        out.append(f'<text x="{left - 8}" y="{top + tall / 2 + 4:.1f}" text-anchor="end" style="fill:#ccccdc">{html.escape(line.name)}</text>')
        merged = []
        for at, value in line.points:
            if merged and merged[-1][2] == value and at - merged[-1][1] < 1.5 * step:
                merged[-1][1] = at
            else:
                merged.append([at, at, value])
        for start, stop, value in merged:
            look, wide = options[f"{value:.0f}"], x(min(stop + step, end)) - x(start)
            out.append(f'<rect x="{x(start):.1f}" y="{top + tall * 0.1:.1f}" width="{wide:.1f}" height="{tall * 0.8:.1f}" rx="2" fill="{COLORS[look["color"]]}" fill-opacity="0.8"/>')
            if wide > 60:
                out.append(f'<text x="{x(start) + 8:.1f}" y="{top + tall / 2 + 4:.1f}" style="fill:#111217">{look["text"]}</text>')
    for at in range(int(begin // 60 + 1) * 60, int(end) + 1, 60):
        out.append(f'<text x="{x(at):.1f}" y="{height - 38}" text-anchor="middle">{time.strftime("%H:%M", time.gmtime(at))}</text>')
    return f'<svg width="{width - 2}" height="{height - 30}">{"".join(out)}</svg>'


def table(panel, answers, width, height):
    """As the transformations `merge` and `organize` make it: one line for each machine."""
    organize = next(step["options"] for step in panel["transformations"] if step["id"] == "organize")
    lines, units = {}, {rule["matcher"]["options"]: {p["id"]: p["value"] for p in rule["properties"]} for rule in panel["fieldConfig"]["overrides"]}
    for target in panel["targets"]:
        for series in answers["panels"][str(panel["id"])][target["refId"]]:
            line = lines.setdefault(series["metric"]["instance"], {})
            line.update(series["metric"], **{f"Value #{target['refId']}": float(series["values"][-1][1])})
    columns = sorted((name for name in organize["indexByName"]), key=organize["indexByName"].get)
    titles = [organize["renameByName"][name] for name in columns]

    def cell(line, name, title):
        value, look = line.get(name, "–"), units.get(title, {})
        return value if isinstance(value, str) else written(value, look.get("unit", "none"), look.get("decimals"))

    head = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell(line, *both))}</td>" for both in zip(columns, titles)) + "</tr>" for line in lines.values())
    return f"<table><tr>{head}</tr>{body}</table>"


DRAW = {"timeseries": timeseries, "stat": stat, "gauge": gauge, "state-timeline": timeline, "table": table}


def main(dashboard, answers, page):
    dashboard, answers = (json.load(open(name, encoding="utf-8")) for name in (dashboard, answers))
    unit, parts, bottom = (WIDTH - 24) / 24, [], 0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        left, top = 12 + place["x"] * unit + GAP / 2, HEADER + place["y"] * (CELL + GAP)
        width, height = place["w"] * unit - GAP, place["h"] * (CELL + GAP) - GAP
        bottom, title = max(bottom, top + height), html.escape(panel["title"])
        box = f"left:{left:.0f}px;top:{top}px;width:{width:.0f}px;height:{height}px"
        if panel["type"] == "row":
            parts.append(f'<div class="at row" style="{box}">⌄ {title}</div>')
        else:
            inside = DRAW[panel["type"]](panel, answers, round(width), height)
            centre = ' style="position:relative;text-align:center"' if panel["type"] in ("stat", "gauge") else ""
            parts.append(f'<div class="at panel" style="{box}"><h2{centre}>{title}</h2>{inside}</div>')
    span = "–".join(time.strftime("%H:%M:%S", time.gmtime(answers[edge])) for edge in ("from", "to"))
    head = f"<header><b>{dashboard['title']}</b><span>Data source&ensp;Prometheus</span><span>Machine&ensp;All</span><span>{span} UTC</span></header>"
    with open(page, "w", encoding="utf-8") as out:
        out.write(f'<!doctype html><meta charset="utf-8"><style>{STYLE} body {{ height: {bottom + 12}px; }}</style>{head}{"".join(parts)}')
    print(f"{WIDTH},{bottom + 12}")


if __name__ == "__main__":
    main(*sys.argv[1:])
