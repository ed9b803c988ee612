// PCRE2 behind a small interface, with every step of matching counted.
#include "Regex.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace stc {

namespace {

constexpr size_t kLongestPattern = 16384;
constexpr uint64_t kLargestRepeat = 1024;
constexpr uint32_t kHeapLimitKiB = 65536;

std::string errorText(int code) {
  PCRE2_UCHAR buffer[256] = {};
  pcre2_get_error_message(code, buffer, sizeof(buffer));
  return reinterpret_cast<const char *>(buffer);
}

/// What the callout below keeps track of.
struct StepCounter {
  RegexBudget *budget;
  size_t lastPosition;
};

/// Called by PCRE2 before every item of the pattern. Between two calls at most one item runs over
/// the text, so the distance passed is all the work there was.
int countStep(pcre2_callout_block *block, void *data) {
  StepCounter &counter = *static_cast<StepCounter *>(data);
  size_t position = block->current_position, last = counter.lastPosition;
  uint64_t steps = 1 + (position > last ? position - last : last - position);
  counter.lastPosition = position;
  if (steps > counter.budget->left) {
    counter.budget->left = 0;
    return PCRE2_ERROR_CALLOUT;
  }
  counter.budget->left -= steps;
  return 0;
}

struct MatchState {
  MatchState(const pcre2_code *code, StepCounter &counter)
      : data(pcre2_match_data_create_from_pattern(code, nullptr)),
        context(pcre2_match_context_create(nullptr)) {
    if (!context)
      return;
    pcre2_set_callout(context, countStep, &counter);
    pcre2_set_heap_limit(context, kHeapLimitKiB);
  }
  ~MatchState() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  pcre2_match_data *data;
  pcre2_match_context *context;
};

/// The length of the code point in braces, `{` to `}`, that `text` begins with; 0 if it is none.
size_t bracedCodePointLength(absl::string_view text) {
  if (text.empty() || text[0] != '{')
    return 0;
  size_t end = 1;
  while (end < text.size() && absl::ascii_isxdigit(text[end]))
    ++end;
  return end < text.size() && text[end] == '}' ? end + 1 : 0;
}

/// Whether `text`, which begins with `{`, gives a repeat count past the limit.
bool beginsHugeRepeat(absl::string_view text) {
  uint64_t count = 0;
  for (char c : text.substr(1)) {
    if (c == ',')
      count = 0;
    else if (absl::ascii_isdigit(c))
      count = count * 10 + uint64_t(c - '0');
    else
      break;
    if (count > kLargestRepeat)
      return true;
  }
  return false;
}

/// Whether `pattern` has a count in braces beyond what step counting can see: a counted repeat that
/// fails midway has passed that many characters between two callouts.
bool hasHugeRepeat(absl::string_view pattern) {
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '{' && beginsHugeRepeat(pattern.substr(at)))
      return true;
    if (pattern[at] != '\\' || ++at == pattern.size())
      continue;
    if (pattern[at] == 'x' || pattern[at] == 'o')
      at += bracedCodePointLength(pattern.substr(at + 1));
  }
  return false;
}

} // namespace

void Regex::FreeCode::operator()(pcre2_real_code_8 *code) const { pcre2_code_free(code); }

absl::StatusOr<Regex> Regex::compile(absl::string_view pattern, const ErrorSite &site) {
  if (pattern.size() > kLongestPattern)
    return formatError(site, absl::StrCat("a pattern of at most ", kLongestPattern, " bytes"),
                       absl::StrCat(pattern.size(), " bytes"));
  if (hasHugeRepeat(pattern))
    return formatError(site, absl::StrCat("repeat counts of at most ", kLargestRepeat),
                       absl::StrCat("'", printable(pattern, 200), "'"));
  int error = 0;
  PCRE2_SIZE offset = 0;
  Regex regex;
  regex.site = site;
  // Tokenizers are written for engines in which ^ and $ stand at every line. \C could cut a
  // character in two.
  uint32_t options =
      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
  pcre2_compile_context *context = pcre2_compile_context_create(nullptr);
  if (context)
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
  regex.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 options, &error, &offset, context));
  pcre2_compile_context_free(context);
  if (!regex.code)
    return formatError(site, "a regular expression",
                       absl::StrCat("'", printable(pattern, 200), "' (", errorText(error),
                                    " at byte ", offset, ")"));
  // Comparing with an earlier group is work that no callout sees.
  uint32_t backReferences = 0;
  pcre2_pattern_info(regex.code.get(), PCRE2_INFO_BACKREFMAX, &backReferences);
  if (backReferences > 0)
    return formatError(site, "a pattern without back references", printable(pattern, 200));
  return regex;
}

absl::Status Regex::findSpans(absl::string_view text, RegexBudget &budget,
                              std::vector<RegexSpan> &spans) const {
  StepCounter counter{&budget, 0};
  MatchState state(code.get(), counter);
  if (!state.data || !state.context)
    return absl::ResourceExhaustedError("out of memory while matching a regular expression");
  const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(state.data);
  size_t search = 0, covered = 0;
  bool matchedBefore = false;
  while (search <= text.size()) {
    counter.lastPosition = search;
    int result = pcre2_match(code.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                             search, PCRE2_NO_UTF_CHECK, state.data, state.context);
    if (result == PCRE2_ERROR_NOMATCH)
      break;
    if (result < 0)
      return formatError(site, "a pattern that splits the text in a bounded number of steps",
                         result == PCRE2_ERROR_CALLOUT ? "more steps than that"
                                                       : errorText(result));
    size_t begin = bounds[0], end = bounds[1];
    // \K can put the bounds anywhere.
    if (begin < covered || end < begin || end < search || end > text.size())
      return formatError(site, "matches that follow one another", "a match that moves backwards");
    bool empty = begin == end;
    if (!empty || !matchedBefore || begin != covered) {
      if (covered < begin)
        spans.push_back({covered, begin, false});
      if (!empty)
        spans.push_back({begin, end, true});
      covered = end;
      matchedBefore = true;
    }
    search = end;
    if (empty)
      search += end < text.size() ? decodeUtf8(text, end).length : 1;
  }
  if (covered < text.size())
    spans.push_back({covered, text.size(), false});
  return absl::OkStatus();
}

} // namespace stc
