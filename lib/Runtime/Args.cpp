// Command lines: strict parsing of declared options.
#include "stc/Runtime/Args.h"

#include "stc/Support/Error.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <cmath>

namespace stc {

namespace {

const Option *findOption(const CommandSpec &spec, absl::string_view word) {
  for (const Option &option : spec.options)
    if (word == option.name || (!option.alias.empty() && word == option.alias))
      return &option;
  return nullptr;
}

absl::Status unknownOption(const CommandSpec &spec, const std::string &word) {
  std::vector<std::string> known = {"--help"};
  for (const Option &option : spec.options)
    known.push_back(option.name);
  std::string closest = closestWord(word, known);
  return formatError(
      {spec.name, "", {}},
      absl::StrCat("an option from its --help",
                   closest.empty() ? "" : absl::StrCat(" (the closest is ", closest, ")")),
      word);
}

/// Edits (insert, delete, replace) that turn one word into the other.
size_t editDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// Digits only, as scripts write numbers: no spaces around, no hexadecimal.
bool hasSpace(absl::string_view text) {
  return text.empty() || absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back());
}

} // namespace

absl::StatusOr<Args> Args::parse(const CommandSpec &spec, absl::Span<const std::string> args) {
  Args parsed;
  parsed.command = spec.name;
  bool optionsEnded = false;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string &word = args[i];
    if (optionsEnded || word.size() < 2 || word[0] != '-') {
      parsed.positionals.push_back(word);
      continue;
    }
    if (word == "--") {
      optionsEnded = true;
      continue;
    }
    if (word == "--help" || word == "-h") {
      parsed.values["--help"] = {""};
      continue;
    }
    size_t equals = absl::StartsWith(word, "--") ? word.find('=') : std::string::npos;
    std::string name = word.substr(0, equals);
    const Option *option = findOption(spec, name);
    if (!option)
      return unknownOption(spec, name);
    if (parsed.has(option->name) && !option->repeats)
      return parsed.error(option->name, "to be given once", "a second one");
    if (option->value.empty()) {
      if (equals != std::string::npos)
        return parsed.error(option->name, "no value", word.substr(equals + 1));
      parsed.values[option->name] = {""};
      continue;
    }
    if (equals != std::string::npos) {
      parsed.values[option->name].push_back(word.substr(equals + 1));
      continue;
    }
    if (i + 1 == args.size())
      return parsed.error(option->name, absl::StrCat("a value (", option->value, ")"), "none");
    // `-p --seed 5` is a forgotten value far more often than a text that looks like an option.
    const std::string &value = args[++i];
    if (findOption(spec, value.substr(0, value.find('='))) || value == "--help")
      return parsed.error(option->name,
                          absl::StrCat("a value (", option->value, "; write ", option->name,
                                       "=VALUE if it begins like an option)"),
                          absl::StrCat("the option ", value));
    parsed.values[option->name].push_back(value);
  }
  if (parsed.has("--help"))
    return parsed; // whatever else is missing, the page explains it
  if (parsed.positionals.size() > spec.maxPositional)
    return formatError({spec.name, "", {}},
                       spec.maxPositional == 0 ? "options only"
                                               : absl::StrCat("no argument after ", spec.arguments),
                       parsed.positionals[spec.maxPositional]);
  if (parsed.positionals.size() < spec.minPositional)
    return formatError({spec.name, "", {}}, spec.arguments,
                       absl::StrCat(parsed.positionals.size(), " arguments"));
  return parsed;
}

absl::Status Args::error(const std::string &name, absl::string_view expected,
                         absl::string_view got) const {
  return formatError({command, name, {}}, expected, got);
}

std::vector<std::string> Args::texts(const std::string &name) const {
  auto found = values.find(name);
  return found == values.end() ? std::vector<std::string>() : found->second;
}

std::string Args::text(const std::string &name, const std::string &fallback) const {
  auto found = values.find(name);
  return found == values.end() ? fallback : found->second.front();
}

absl::StatusOr<int64_t> Args::integer(const std::string &name, int64_t fallback, int64_t min,
                                      int64_t max) const {
  if (!has(name))
    return fallback;
  std::string given = text(name);
  int64_t value = 0;
  if (hasSpace(given) || !absl::SimpleAtoi(given, &value) || value < min || value > max)
    return error(name, absl::StrCat("a whole number from ", min, " to ", max), given);
  return value;
}

absl::StatusOr<double> Args::number(const std::string &name, double fallback, double min,
                                    double max) const {
  if (!has(name))
    return fallback;
  std::string given = text(name);
  double value = 0;
  if (hasSpace(given) || !absl::SimpleAtod(given, &value) || !(value >= min && value <= max))
    return error(name, absl::StrCat("a number from ", min, " to ", max), given);
  return value;
}

absl::StatusOr<std::vector<int32_t>> Args::tokenIds(const std::string &name) const {
  return parseTokenIds(text(name), command, name);
}

absl::Status Args::expectOneOf(absl::Span<const std::string> names, bool required) const {
  std::vector<std::string> given;
  for (const std::string &name : names)
    if (has(name))
      given.push_back(name);
  if (given.size() > 1 || (required && given.empty()))
    return formatError(
        {command, "", {}},
        absl::StrCat(required ? "one of " : "at most one of ", absl::StrJoin(names, ", ")),
        given.empty() ? "none of them" : absl::StrJoin(given, " and "));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<int32_t>> parseTokenIds(absl::string_view text, const std::string &file,
                                                   const std::string &field) {
  auto isSeparator = [](char c) { return c == ',' || absl::ascii_isspace(c); };
  std::vector<int32_t> ids;
  for (size_t at = 0; at < text.size();) {
    if (isSeparator(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !isSeparator(text[end]))
      ++end;
    absl::string_view word = text.substr(at, end - at);
    int32_t id = 0;
    if (!absl::ascii_isdigit(word[0]) || !absl::SimpleAtoi(word, &id))
      return formatError({file, field, at}, "a token id", printable(word, 40));
    ids.push_back(id);
    at = end;
  }
  if (ids.empty())
    return formatError({file, field, {}}, "token ids separated by commas or spaces", "none");
  return ids;
}

std::string closestWord(absl::string_view word, absl::Span<const std::string> known) {
  std::string best;
  size_t bestDistance = 1 + std::max<size_t>(2, word.size() / 3);
  for (const std::string &candidate : known) {
    size_t distance = word.size() > 100 ? bestDistance : editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

} // namespace stc
