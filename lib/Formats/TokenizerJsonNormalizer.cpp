// Translates Hugging Face normalizers, and patterns wherever they stand.
#include "BertPipeline.h"
#include "TokenizerJsonPipeline.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

using Step = TokenizerSpec::Normalizer;

/// A pattern that matches exactly `text`.
std::string quotePattern(absl::string_view text) {
  std::string pattern;
  for (char c : text) {
    if (absl::ascii_ispunct(c) || absl::ascii_isspace(c))
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// Refuses syntax that means something else to PCRE2 than to Oniguruma, which patterns of
/// tokenizer.json are written for: set operations and sets within sets, and \h.
absl::Status checkPatternSyntax(const JsonNode &node, absl::string_view pattern) {
  bool inSet = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    absl::string_view rest = pattern.substr(i);
    if (pattern[i] == '\\') {
      if (rest.size() > 1 && (rest[1] == 'h' || rest[1] == 'H'))
        return node.error("a pattern without \\h");
      ++i;
    } else if (!inSet) {
      inSet = pattern[i] == '[';
      if (inSet && rest.size() > 1 && rest[1] == '^')
        ++i;
    } else if (pattern[i] == ']') {
      inSet = false;
    } else if (rest.substr(0, 2) == "&&" || (pattern[i] == '[' && rest.substr(0, 2) != "[:")) {
      return node.error("a pattern without sets inside sets");
    } else if (pattern[i] == '[') {
      i = pattern.find(":]", i) == absl::string_view::npos ? pattern.size()
                                                           : pattern.find(":]", i) + 1;
    }
  }
  return absl::OkStatus();
}

/// `strip_accents` of a BertNormalizer: null means what `lowercase` says.
absl::Status readBertNormalizer(const JsonNode &part, TokenizerSpec &spec) {
  BertNormalization rules;
  STC_ASSIGN_OR_RETURN(rules.cleanText, part["clean_text"].toBool(true));
  STC_ASSIGN_OR_RETURN(rules.isolateIdeographs, part["handle_chinese_chars"].toBool(true));
  STC_ASSIGN_OR_RETURN(rules.lowercase, part["lowercase"].toBool(true));
  STC_ASSIGN_OR_RETURN(rules.stripAccents, part["strip_accents"].toBool(rules.lowercase));
  for (const Step &step : bertNormalizers(rules))
    spec.normalizers.push_back(step);
  return absl::OkStatus();
}

absl::Status readStrip(const JsonNode &part, TokenizerSpec &spec) {
  STC_ASSIGN_OR_RETURN(bool left, part["strip_left"].toBool(true));
  STC_ASSIGN_OR_RETURN(bool right, part["strip_right"].toBool(true));
  if (left)
    spec.normalizers.push_back({Step::Kind::StripLeft, "", ""});
  if (right)
    spec.normalizers.push_back({Step::Kind::StripRight, "", ""});
  return absl::OkStatus();
}

absl::Status readCharsmap(const JsonNode &part, TokenizerSpec &spec) {
  JsonNode map = part["precompiled_charsmap"];
  STC_ASSIGN_OR_RETURN(std::string text, map.toString());
  Step step{Step::Kind::Charsmap, "", ""};
  if (!absl::Base64Unescape(text, &step.content))
    return map.error("bytes in base64");
  spec.normalizers.push_back(std::move(step));
  return absl::OkStatus();
}

absl::Status readReplace(const JsonNode &part, TokenizerSpec &spec) {
  const JsonNode &text = part["pattern"]["String"];
  STC_ASSIGN_OR_RETURN(std::string content, part["content"].toString());
  if (text.present() && text.get().isString() && text.get().string == " " &&
      content == kMarkerText) {
    spec.escapeSpaces = true;
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(std::string pattern, readPattern(part["pattern"]));
  spec.normalizers.push_back({Step::Kind::Replace, std::move(pattern), std::move(content)});
  return absl::OkStatus();
}

/// Whether a component changes characters one by one, and neither spaces nor U+2581.
bool leavesSpaces(absl::string_view type) {
  return type == "NFC" || type == "NFD" || type == "NFKD" || type == "Lowercase" ||
         type == "StripAccents" || type == "Prepend";
}

} // namespace

absl::Status flattenSequence(const JsonNode &node, absl::string_view list,
                             std::vector<JsonNode> &parts) {
  if (!node.present())
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(node.checkObject());
  if (node.type() != "Sequence") {
    parts.push_back(node);
    return absl::OkStatus();
  }
  JsonNode inner = node[list];
  STC_ASSIGN_OR_RETURN(size_t count, inner.arraySize());
  for (size_t i = 0; i < count; ++i)
    STC_RETURN_IF_ERROR(flattenSequence(inner[i], list, parts));
  return absl::OkStatus();
}

absl::Status expectText(const JsonNode &node, absl::string_view text) {
  if (node.present() && node.get().isString() && node.get().string == text)
    return absl::OkStatus();
  return node.error(absl::StrCat("'", text, "'"));
}

absl::StatusOr<std::string> readPattern(const JsonNode &node) {
  if (node["Regex"].present()) {
    STC_ASSIGN_OR_RETURN(std::string pattern, node["Regex"].toString());
    STC_RETURN_IF_ERROR(checkPatternSyntax(node["Regex"], pattern));
    return pattern;
  }
  STC_ASSIGN_OR_RETURN(std::string text, node["String"].toString());
  return quotePattern(text);
}

absl::Status readNormalizer(const JsonNode &root, TokenizerSpec &spec) {
  static constexpr std::pair<absl::string_view, Step::Kind> plain[] = {
      {"NFC", Step::Kind::Nfc},
      {"NFD", Step::Kind::Nfd},
      {"NFKC", Step::Kind::Nfkc},
      {"NFKD", Step::Kind::Nfkd},
      {"Lowercase", Step::Kind::Lowercase},
      {"StripAccents", Step::Kind::DropMarks},
      {"Nmt", Step::Kind::Nmt}};
  std::vector<JsonNode> parts;
  STC_RETURN_IF_ERROR(flattenSequence(root["normalizer"], "normalizers", parts));
  for (const JsonNode &part : parts) {
    absl::string_view type = part.type();
    // Spaces are marked, and the one before the text is put there, after all other steps.
    if ((spec.escapeSpaces || spec.addPrefixSpace) && !leavesSpaces(type) &&
        !(type == "Replace" && !spec.escapeSpaces))
      return part.error("Prepend and Replace of spaces as the last normalizers");
    const auto *known = std::find_if(std::begin(plain), std::end(plain),
                                     [&](const auto &entry) { return entry.first == type; });
    if (known != std::end(plain)) {
      spec.normalizers.push_back({known->second, "", ""});
    } else if (type == "Prepend") {
      STC_RETURN_IF_ERROR(expectText(part["prepend"], kMarkerText));
      spec.addPrefixSpace = true;
      spec.prefixRule = TokenizerSpec::PrefixRule::Always;
    } else if (type == "Replace") {
      STC_RETURN_IF_ERROR(readReplace(part, spec));
    } else if (type == "Strip") {
      STC_RETURN_IF_ERROR(readStrip(part, spec));
    } else if (type == "Precompiled") {
      STC_RETURN_IF_ERROR(readCharsmap(part, spec));
    } else if (type == "BertNormalizer") {
      STC_RETURN_IF_ERROR(readBertNormalizer(part, spec));
    } else {
      return part["type"].error(
          "a normalizer NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Strip, "
          "Nmt, Precompiled, BertNormalizer, Prepend, Replace or Sequence");
    }
  }
  if (spec.addPrefixSpace && !spec.escapeSpaces)
    return root["normalizer"].error("Replace of spaces beside Prepend", "Prepend alone");
  return absl::OkStatus();
}

} // namespace stc
