"""What a test reads off a page, as a person would."""

# The lines of signalscope's tree in the admin below one signal, indented, with their badges.
ADMIN_TREE = r"""
(signal) => {
  const lines = [];
  const walk = (item, depth) => {
    const line = item.querySelector(".signalscope-line");
    const name = line.querySelector("[title]").title;
    const badges = [...line.querySelectorAll(".signalscope-badge")].map(
      (badge) => ` [${badge.innerText.replace(/ [\d.]+ (ns|µs|ms|s)$/, "")}]`);
    lines.push("  ".repeat(depth) + name + badges.join(""));
    for (const child of item.querySelectorAll(":scope > details > ul > li")) walk(child, depth + 1);
  };
  for (const item of document.querySelectorAll(".signalscope-tree > li"))
    if (item.querySelector("[title]").title === signal) walk(item, 0);
  return lines.join("\n");
}
"""

# The rows of the panel's tree, indented by their depth.
PANEL_TREE = r"""
(table) => [...table.querySelectorAll("tbody tr")].map((row) => {
  const depth = Number(row.cells[0].className.match(/depth-(\d+)/)[1]);
  const outcome = row.cells[row.cells.length - 1].innerText.trim();
  const name = row.querySelector("b[title], span[title]:not(.signalscope-weak)").title;
  return "  ".repeat(depth) + name + (outcome ? ` ${outcome}` : "");
}).join("\n")
"""

# Texts whose contrast with what is behind them is below 4.5, which WCAG asks for at least.
TOO_FAINT = r"""
(root) => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((value) => value / 255).map(
      (value) => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement || at.getRootNode().host) {
      const layer = rgba(getComputedStyle(at).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const faint = new Set();
  for (const element of root.querySelectorAll("*")) {
    const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.textContent.trim()).join(" ").trim();
    if (!text || !element.checkVisibility()) continue;
    const below = behind(element);
    const [high, low] = [light(over(rgba(getComputedStyle(element).color), below)), light(below)]
      .sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faint.add(`${contrast.toFixed(2)} ${element.className} ${text}`);
  }
  return [...faint];
}
"""

# Whether the page scrolls sideways.
IS_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def check(page):
    """Fail where a text of a shop's page is too faint, or the page scrolls sideways."""
    for part in page.locator("header, main, footer").all():
        assert part.evaluate(TOO_FAINT) == []
    assert not page.evaluate(IS_TOO_WIDE)
