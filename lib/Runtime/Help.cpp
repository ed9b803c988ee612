// Help pages, laid out from the same declarations that the parser reads.
#include "stc/Runtime/Args.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <algorithm>

namespace stc {

namespace {

/// Two columns, the second at the same place in every row and on every line of its text.
std::string columns(const std::vector<std::pair<std::string, std::string>> &rows) {
  constexpr size_t indent = 2, gap = 2;
  size_t width = 0;
  for (const auto &row : rows)
    width = std::max(width, row.first.size());
  std::string text;
  for (const auto &row : rows) {
    std::string left = std::string(indent, ' ') + row.first;
    for (absl::string_view line : absl::StrSplit(row.second, '\n')) {
      left.resize(indent + width + gap, ' ');
      absl::StrAppend(&text, left, line, "\n");
      left.clear();
    }
  }
  return text;
}

} // namespace

std::string helpPage(const std::string &program, const CommandSpec &spec) {
  std::string page =
      absl::StrCat("Usage: ", program, " ", spec.name, spec.options.empty() ? "" : " [options]",
                   spec.arguments.empty() ? "" : " ", spec.arguments, "\n\n", spec.summary, "\n");
  if (!spec.details.empty())
    absl::StrAppend(&page, "\n", spec.details, "\n");
  std::vector<std::pair<std::string, std::string>> rows;
  for (const Option &option : spec.options) {
    std::string name = option.alias.empty() ? "" : absl::StrCat(option.alias, ", ");
    absl::StrAppend(&name, option.name, option.value.empty() ? "" : " ", option.value);
    rows.push_back({name, option.help});
  }
  rows.push_back({"-h, --help", "This page."});
  absl::StrAppend(&page, "\nOptions:\n", columns(rows));
  if (!spec.examples.empty())
    page += "\nExamples:\n";
  for (const std::string &example : spec.examples)
    absl::StrAppend(&page, "  ", program, " ", example, "\n");
  return page;
}

std::string helpOverview(const std::string &program, absl::string_view about,
                         absl::Span<const CommandSpec *const> commands) {
  std::vector<std::pair<std::string, std::string>> rows;
  for (const CommandSpec *command : commands)
    rows.push_back({command->name, command->summary});
  return absl::StrCat("Usage: ", program, " COMMAND [options]\n\n", about, "\n\nCommands:\n",
                      columns(rows), "\n`", program,
                      " COMMAND --help` explains a command and shows examples.\n");
}

} // namespace stc
