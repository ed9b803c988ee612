// Python's string operations. Strings are sequences of characters; a malformed byte is one, too.
#ifndef STC_LIB_CHAT_STRINGS_H
#define STC_LIB_CHAT_STRINGS_H

#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace stc::jinja {

std::vector<absl::string_view> charactersOf(absl::string_view text);
size_t countCharacters(absl::string_view text);
/// Without the characters of `set` at its ends (white space if `set` is null).
absl::string_view strip(absl::string_view text, const absl::string_view *set, bool left,
                        bool right);
std::string upperCase(absl::string_view text);
std::string lowerCase(absl::string_view text);
/// The first character of the text in upper case and the rest in lower case; the same for every run
/// of letters (str.title); the same for everything between white space, hyphens and opening
/// brackets (Jinja's filter).
std::string capitalize(absl::string_view text);
std::string titleCase(absl::string_view text);
std::string capitalizeWords(absl::string_view text);
/// At white space, runs of it counting once; or at every `separator`. At most `limit` cuts if it is
/// not negative.
std::vector<absl::string_view> splitWords(absl::string_view text, int64_t limit);
std::vector<absl::string_view> splitAt(absl::string_view text, absl::string_view separator,
                                       int64_t limit, bool fromRight);
std::vector<absl::string_view> splitLines(absl::string_view text);
/// `text` with `from` (not empty) replaced, at most `limit` times if it is not negative.
std::string replaceAll(absl::string_view text, absl::string_view from, absl::string_view to,
                       int64_t limit);

} // namespace stc::jinja

#endif // STC_LIB_CHAT_STRINGS_H
