// Charts as SVG elements that stand in a page as they are: stacked bars, and grids of categories.
#include "SvgChart.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <algorithm>
#include <cmath>

namespace stc {

static bool isXmlCharacter(uint32_t codePoint) {
  if (codePoint < 0x20)
    return codePoint == '\t' || codePoint == '\n' || codePoint == '\r';
  // C1 controls are allowed, but no text: a page must not be steered by them.
  return (codePoint < 0x7F || codePoint > 0x9F) && codePoint != 0xFFFE && codePoint != 0xFFFF;
}

std::string escapeMarkup(absl::string_view text) {
  std::string escaped;
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    if (next.length == 0 || !isXmlCharacter(next.codePoint)) {
      appendUtf8(escaped, 0xFFFD);
      at += std::max<size_t>(next.length, 1);
      continue;
    }
    switch (next.codePoint) {
    case '&':
      escaped += "&amp;";
      break;
    case '<':
      escaped += "&lt;";
      break;
    case '>':
      escaped += "&gt;";
      break;
    case '"':
      escaped += "&quot;";
      break;
    case '\'':
      escaped += "&#39;";
      break;
    case '\r': // a parser would turn it into a newline
      escaped += "&#13;";
      break;
    default:
      escaped.append(text.data() + at, next.length);
    }
    at += next.length;
  }
  return escaped;
}

namespace {

constexpr double kWidth = 720; // of every chart, in units that are pixels at full size
constexpr double kCharacter = 7, kLine = 18;
constexpr size_t kLongestLabel = 24;

/// Middle tones, which stand out from light and dark grounds; more are made up.
std::string color(size_t index) {
  static constexpr const char *kColors[] = {"#4c86c6", "#e0902b", "#4fa36b", "#c65f8b", "#8f79c9",
                                            "#3fa9b5", "#b5893e", "#d2604f", "#7c9a3a", "#8a8f98"};
  if (index < std::size(kColors))
    return kColors[index];
  int hue = int(std::fmod(double(index) * 137.508, 360)); // the golden angle: no two are alike
  return absl::StrCat("hsl(", hue, ",45%,58%)");
}

/// A letter that names a category where colors do not tell it: a to z, then aa ...
std::string letterOf(size_t index) {
  std::string name(1, char('a' + index % 26));
  return index < 26 ? name : letterOf(index / 26 - 1) + name;
}

std::string shortened(absl::string_view text) {
  if (text.size() <= kLongestLabel)
    return std::string(text);
  size_t end = kLongestLabel - 1;
  while (end > 0 && (uint8_t(text[end]) & 0xC0) == 0x80) // not within a character
    --end;
  return absl::StrCat(text.substr(0, end), "\u2026");
}

std::string number(double value) { return absl::StrFormat("%.1f", value); }
std::string amount(double value) { return absl::StrFormat("%.4g", value); }
double drawable(double value) { return std::isfinite(value) && value > 0 ? value : 0; }

enum class Anchor { Start, Middle, End };
std::string label(double x, double y, Anchor anchor, absl::string_view text,
                  absl::string_view fill = "currentColor") {
  const char *anchors[] = {"start", "middle", "end"};
  return absl::StrCat("<text x=\"", number(x), "\" y=\"", number(y), "\" text-anchor=\"",
                      anchors[int(anchor)], "\" fill=\"", fill, "\">", escapeMarkup(text),
                      "</text>\n");
}

std::string box(double x, double y, double width, double height, absl::string_view fill,
                absl::string_view tooltip = "") {
  std::string text =
      absl::StrCat("<rect x=\"", number(x), "\" y=\"", number(y), "\" width=\"", number(width),
                   "\" height=\"", number(height), "\" fill=\"", fill, "\"");
  return tooltip.empty()
             ? text + "/>\n"
             : absl::StrCat(text, "><title>", escapeMarkup(tooltip), "</title></rect>\n");
}

std::string line(double x1, double y1, double x2, double y2, double opacity) {
  return absl::StrCat("<line x1=\"", number(x1), "\" y1=\"", number(y1), "\" x2=\"", number(x2),
                      "\" y2=\"", number(y2), "\" stroke=\"currentColor\" stroke-opacity=\"",
                      amount(opacity), "\"/>\n");
}

std::string wrap(const ChartText &text, double height, absl::string_view body) {
  std::string id = escapeMarkup(text.id);
  return absl::StrCat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 ", number(kWidth), " ",
      number(height), "\" width=\"", number(kWidth), "\" height=\"", number(height),
      "\" font-family=\"sans-serif\" font-size=\"12\" aria-labelledby=\"", id, "-title ", id,
      "-desc\">\n<title id=\"", id, "-title\">", escapeMarkup(text.title), "</title>\n<desc id=\"",
      id, "-desc\">", escapeMarkup(text.description), "</desc>\n", body, "</svg>\n");
}

std::string withoutData(const ChartText &text) {
  return wrap(text, 2 * kLine, label(kWidth / 2, 1.25 * kLine, Anchor::Middle, "no data"));
}

/// Names and their colors, in as many lines as they need below `top`, which moves down.
std::string legend(const std::vector<std::string> &names, double left, double &top, bool letters) {
  std::string text;
  double x = left;
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name =
        letters ? absl::StrCat(letterOf(i), "  ", shortened(names[i])) : shortened(names[i]);
    double width = 18 + kCharacter * double(name.size()) + 14;
    if (x > left && x + width > kWidth) {
      x = left;
      top += kLine;
    }
    text += box(x, top, 12, 12, color(i)) + label(x + 18, top + 10.5, Anchor::Start, name);
    x += width;
  }
  top += kLine;
  return text;
}

/// The distance of the axis' lines: 1, 2 or 5 times a power of ten, four to nine of them.
double tickStep(double most) {
  double power = std::pow(10, std::floor(std::log10(most / 4)));
  for (double step : {5.0, 2.0})
    if (step * power <= most / 4)
      return step * power;
  return power;
}

size_t longest(const std::vector<std::string> &names) {
  size_t length = 0;
  for (const std::string &name : names)
    length = std::max(length, shortened(name).size());
  return length;
}

/// Labels below the slots of an axis, as many as there is room for.
std::string axisLabels(const std::vector<std::string> &names, double left, double slot, double y) {
  std::string text;
  double free = 0; // from here on
  for (size_t i = 0; i < names.size(); ++i) {
    std::string name = shortened(names[i]);
    double half = kCharacter * double(name.size()) / 2, x = left + slot * (double(i) + 0.5);
    x = std::min(x, kWidth - half);
    if (x - half < free)
      continue;
    text += label(x, y, Anchor::Middle, name);
    free = x + half + 6;
  }
  return text;
}

} // namespace

std::string drawBars(const BarChart &chart) {
  size_t count = chart.labels.size();
  if (count == 0 || chart.series.empty())
    return withoutData(chart.text);
  auto valueOf = [&](const BarChart::Series &series, size_t i) {
    return i < series.values.size() ? drawable(series.values[i]) : 0;
  };
  auto errorOf = [&](size_t i) { return i < chart.errors.size() ? drawable(chart.errors[i]) : 0; };
  std::vector<double> sums(count);
  double most = 0;
  for (size_t i = 0; i < count; ++i) {
    for (const BarChart::Series &series : chart.series)
      sums[i] += valueOf(series, i);
    most = std::max(most, sums[i] + errorOf(i));
  }
  if (most == 0)
    most = 1;

  constexpr double left = 64, top = 26, height = 200, bottom = top + height;
  double slot = (kWidth - left) / double(count), width = std::min(0.8 * slot, 48.0);
  auto yOf = [&](double value) { return bottom - height * value / most; };
  std::string body = label(0, 12, Anchor::Start, chart.unit);
  for (double tick = 0, step = tickStep(most); tick <= most * (1 + 1e-9); tick += step)
    body += line(left, yOf(tick), kWidth, yOf(tick), tick == 0 ? 0.6 : 0.15) +
            label(left - 6, yOf(tick) + 4, Anchor::End, amount(tick));
  for (size_t i = 0; i < count; ++i) {
    double x = left + slot * (double(i) + 0.5), below = 0;
    for (size_t s = 0; s < chart.series.size(); ++s) {
      double value = valueOf(chart.series[s], i);
      if (value == 0)
        continue;
      double y = yOf(below + value);
      std::string name = chart.series.size() > 1 ? chart.series[s].name + ", " : "";
      body += box(x - width / 2, y, width, yOf(below) - y, color(s),
                  absl::StrCat(chart.labels[i], ": ", name, amount(value), " ", chart.unit));
      below += value;
    }
    if (double error = errorOf(i); error > 0) {
      double from = yOf(std::max(0.0, sums[i] - error)), to = yOf(sums[i] + error);
      body += line(x, from, x, to, 0.9) + line(x - 4, from, x + 4, from, 0.9) +
              line(x - 4, to, x + 4, to, 0.9);
    }
  }
  body += axisLabels(chart.labels, left, slot, bottom + 16);
  double end = bottom + 28;
  if (chart.series.size() > 1) {
    std::vector<std::string> names;
    for (const BarChart::Series &series : chart.series)
      names.push_back(series.name);
    body += legend(names, left, end, /*letters=*/false);
  }
  return wrap(chart.text, end, body);
}

std::string drawGrid(const GridChart &chart) {
  if (chart.rows.empty() || chart.columns.empty() || chart.categories.empty())
    return withoutData(chart.text);
  constexpr double row = 24;
  double left = kCharacter * double(longest(chart.rows)) + 14;
  double column = std::min((kWidth - left) / double(chart.columns.size()), 64.0);
  std::string body;
  for (size_t r = 0; r < chart.rows.size(); ++r) {
    double y = row * double(r);
    body += label(left - 8, y + 16, Anchor::End, shortened(chart.rows[r]));
    for (size_t c = 0; c < chart.columns.size(); ++c) {
      int category = r < chart.cells.size() && c < chart.cells[r].size() ? chart.cells[r][c] : -1;
      if (category < 0 || size_t(category) >= chart.categories.size())
        continue;
      double x = left + column * double(c), gap = column > 6 ? 1 : 0;
      std::string name = chart.categories[size_t(category)];
      body += box(x + gap, y + 1, column - 2 * gap, row - 2, color(size_t(category)),
                  absl::StrCat(chart.rows[r], ", ", chart.columns[c], ": ", name));
      if (std::string letter = letterOf(size_t(category));
          column >= kCharacter * double(letter.size()) + 4)
        body += label(x + column / 2, y + 16, Anchor::Middle, letter, "#000");
    }
  }
  double end = row * double(chart.rows.size());
  body += axisLabels(chart.columns, left, column, end + 16);
  end += 30;
  body += legend(chart.categories, left, end, /*letters=*/true);
  return wrap(chart.text, end, body);
}

} // namespace stc
