// Charts: well formed whatever they are of, with every number in them, and nothing outside.
#include "../../lib/Driver/SvgChart.h"
#include "Markup.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace stc;
using testing::HasSubstr;
using testing::Not;

namespace {

size_t countOf(absl::string_view text, absl::string_view what) {
  size_t count = 0;
  for (size_t at = 0; (at = text.find(what, at)) != absl::string_view::npos; at += what.size())
    ++count;
  return count;
}

TEST(EscapeMarkup, LeavesNothingThatMarkupWouldRead) {
  EXPECT_EQ(escapeMarkup("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(escapeMarkup("\xC3\xA9\n\t"), "\xC3\xA9\n\t");
}

TEST(EscapeMarkup, ReplacesWhatIsNoCharacter) {
  const std::string replacement = "\xEF\xBF\xBD";
  EXPECT_EQ(escapeMarkup(absl::string_view("\0\x1b[2J", 5)), replacement + replacement + "[2J");
  EXPECT_EQ(escapeMarkup("\xFF\xC3("), replacement + replacement + "(");            // malformed
  EXPECT_EQ(escapeMarkup("\xED\xA0\x80"), replacement + replacement + replacement); // a surrogate
  EXPECT_EQ(escapeMarkup("\xEF\xBF\xBE"), replacement);                             // U+FFFE
  EXPECT_EQ(escapeMarkup("\xC2\x85"), replacement);                                 // a C1 control
}

TEST(BarChart, ShowsEveryValue) {
  BarChart chart{
      {"id", "A title", "What it is"}, "MB", {"0", "1"}, {{"q", {1, 2}}, {"k", {0.5, 0}}}, {}};
  std::string svg = drawBars(chart);
  EXPECT_EQ(markupFault(svg), "");
  EXPECT_THAT(svg, HasSubstr("<title id=\"id-title\">A title</title>"));
  EXPECT_THAT(svg, HasSubstr("<desc id=\"id-desc\">What it is</desc>"));
  EXPECT_THAT(svg, HasSubstr("<title>1: q, 2 MB</title>"));
  EXPECT_THAT(svg, HasSubstr("<title>0: k, 0.5 MB</title>"));
  EXPECT_EQ(countOf(svg, "<rect"), 3u + 2u); // a piece of 0 is none; two colors are explained
}

TEST(BarChart, StacksToTheHeightOfTheLargest) {
  // The largest bar reaches the top of the plot (26), a piece starts where the one below ends.
  BarChart chart{{"id", "", ""}, "", {"0"}, {{"a", {3}}, {"b", {1}}}, {}};
  std::string svg = drawBars(chart);
  EXPECT_THAT(svg, HasSubstr("y=\"76.0\" width=\"48.0\" height=\"150.0\""));
  EXPECT_THAT(svg, HasSubstr("y=\"26.0\" width=\"48.0\" height=\"50.0\""));
}

TEST(BarChart, StandsWithoutDataAndWithBadNumbers) {
  EXPECT_THAT(drawBars({{"id", "t", "d"}, "", {}, {}, {}}), HasSubstr("no data"));
  BarChart chart{{"id", "t", "d"}, "", {"0", "1", "2"}, {{"a", {NAN, -1, INFINITY}}}, {NAN, 1, -2}};
  std::string svg = drawBars(chart);
  EXPECT_EQ(markupFault(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf")));
}

TEST(BarChart, LeavesOutLabelsThereIsNoRoomFor) {
  BarChart chart{{"id", "t", "d"}, "x", {}, {{"a", {}}}, {}};
  for (int i = 0; i < 120; ++i) {
    chart.labels.push_back(absl::StrCat("layer", i));
    chart.series[0].values.push_back(i);
  }
  std::string svg = drawBars(chart);
  EXPECT_EQ(countOf(svg, "<rect"), 119u);
  EXPECT_LT(countOf(svg, "text-anchor=\"middle\""), 20u);
  EXPECT_THAT(svg, HasSubstr(">layer0</text>"));
}

TEST(BarChart, EscapesNames) {
  BarChart chart{
      {"id", "<t>", "\"d\""}, "<u>", {"</text><script>"}, {{"&", {1}}, {"\xFF", {1}}}, {}};
  std::string svg = drawBars(chart);
  EXPECT_EQ(markupFault(svg), "");
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
}

TEST(GridChart, ColorsEveryCellByItsCategory) {
  GridChart chart{{"id", "t", "d"}, {"q", "k"}, {"0", "1"}, {"dense", "2:4"}, {{0, 1}, {-1, 0}}};
  std::string svg = drawGrid(chart);
  EXPECT_EQ(markupFault(svg), "");
  EXPECT_EQ(countOf(svg, "<rect"), 3u + 2u);
  EXPECT_THAT(svg, HasSubstr("<title>q, 1: 2:4</title>"));
  EXPECT_EQ(countOf(svg, ">a</text>"), 2u); // letters tell where colors do not
}

TEST(GridChart, HasColorsAndLettersForManyCategories) {
  GridChart chart{{"id", "t", "d"}, {"q"}, {}, {}, {{}}};
  for (int i = 0; i < 40; ++i) {
    chart.columns.push_back(absl::StrCat(i));
    chart.categories.push_back(absl::StrCat("layout", i));
    chart.cells[0].push_back(i);
  }
  std::string svg = drawGrid(chart);
  EXPECT_EQ(markupFault(svg), "");
  EXPECT_THAT(svg, HasSubstr("an  layout39"));
  EXPECT_THAT(drawGrid({{"id", "t", "d"}, {}, {}, {}, {}}), HasSubstr("no data"));
}

} // namespace
