// Charts as SVG elements that stand in a page as they are: stacked bars, and grids of categories.
#ifndef STC_LIB_DRIVER_SVGCHART_H
#define STC_LIB_DRIVER_SVGCHART_H

#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace stc {

/// `text` for the inside of HTML or XML elements and of quoted attributes. What is malformed UTF-8,
/// or no character of XML, becomes U+FFFD.
std::string escapeMarkup(absl::string_view text);

/// What a chart says about itself. Text takes the page's color, so that it can be read on light
/// and dark ground; everything drawn has its numbers as a tooltip.
struct ChartText {
  std::string id;                 // unique in the page, of letters, digits and '-'
  std::string title, description; // for people who hear the page
};

/// One bar for each label, made of one piece for each series.
struct BarChart {
  ChartText text;
  std::string unit; // of the axis
  std::vector<std::string> labels;
  struct Series {
    std::string name;
    std::vector<double> values; // one for each label; what is not positive and finite is not drawn
  };
  std::vector<Series> series;
  std::vector<double> errors; // drawn at the top of each bar; or empty
};

/// One cell for each row and column, colored by its category.
struct GridChart {
  ChartText text;
  std::vector<std::string> rows, columns, categories;
  std::vector<std::vector<int>> cells; // [row][column]: a category, or -1 for none
};

/// The chart as one <svg> element; a chart without data says so.
std::string drawBars(const BarChart &chart);
std::string drawGrid(const GridChart &chart);

} // namespace stc

#endif // STC_LIB_DRIVER_SVGCHART_H
