// Text to token ids and back: byte-level BPE, SentencePiece-style BPE, WordPiece and Unigram. No
// JSON, no LLVM: the same code runs in the compiler and in every model binary.
#ifndef STC_TOKENIZER_TOKENIZER_H
#define STC_TOKENIZER_TOKENIZER_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace stc {

/// Everything that defines a tokenizer, independent of the file it came from.
struct TokenizerSpec {
  enum class Kind : uint8_t {
    ByteLevelBpe,  // GPT-2: bytes mapped to printable characters, ranked merges
    SentencePiece, // Llama: U+2581 for spaces; merges by score (or by rank when merges are given)
    WordPiece,     // BERT: the longest token at every place of a word
    Unigram,       // T5: the cut of a text whose tokens' scores sum to the most
  };
  enum class TokenType : uint8_t { Normal, Unknown, Control, UserDefined, Unused, Byte };
  struct Token {
    std::string text; // as stored in the vocabulary
    float score = 0;
    TokenType type = TokenType::Normal;
    bool leftStrip = false, rightStrip = false; // added tokens that eat neighbouring spaces
    bool normalized = false, singleWord = false;
  };
  /// One step of normalization: changes the text between added tokens. Malformed bytes pass.
  struct Normalizer {
    enum class Kind : uint8_t {
      Nfc,
      Nfd,
      Nfkc,
      Nfkd,
      Lowercase,
      DropMarks,           // all marks (M)
      DropNonspacingMarks, // accents, after NFD (Mn)
      CleanText,           // BERT: control characters go, any white space becomes a space
      IsolateIdeographs,   // BERT: spaces around each ideograph
      Nmt,                 // SentencePiece's nmt rules: as CleanText, with a list of its own
      StripLeft,           // white space at the beginning
      StripRight,          // and at the end
      Replace,             // what `pattern` (PCRE2) matches becomes `content`
      Charsmap,            // SentencePiece's precompiled_charsmap, its bytes in `content`
    };
    Kind kind = Kind::Nfc;
    std::string pattern, content;
  };
  /// One step of pre-tokenization: splits the text before the model (PCRE2 pattern, Unicode on).
  struct PreTokenizer {
    enum class Kind : uint8_t {
      Regex,         // `pattern`, `behavior`, `inverted`
      Digits,        // numeric characters apart from the rest: each alone, or runs of them
      ByteLevelGpt2, // GPT-2's own pattern, isolated
      Metaspace,     // a new piece before every U+2581
    };
    /// What becomes of the matches of a pattern; the text between them is always kept.
    enum class Behavior : uint8_t {
      Isolated,           // pieces of their own
      Removed,            // dropped
      Contiguous,         // neighbouring matches become one piece
      MergedWithPrevious, // joined to the text before
      MergedWithNext,     // joined to the text after
    };
    Kind kind = Kind::Regex;
    std::string pattern;
    bool individualDigits = true;
    Behavior behavior = Behavior::Isolated;
    bool inverted = false; // what lies between the matches counts as the match
  };
  /// When a prefix space is added (given `addPrefixSpace`).
  enum class PrefixRule : uint8_t {
    Always,             // before every stretch of text between special tokens
    UnlessPresent,      // the same, but not where a space stands already
    FirstUnlessPresent, // only at the very beginning of the text
    EveryWord,          // before every word; white space between words is dropped
  };

  Kind kind = Kind::ByteLevelBpe;
  std::vector<Token> tokens;                               // by id
  std::vector<std::pair<std::string, std::string>> merges; // by rank
  std::vector<Normalizer> normalizers;                     // applied in order, before all else
  std::vector<PreTokenizer> preTokenizers;                 // applied in order
  bool addPrefixSpace = false;                             // a space (or U+2581) before the text
  PrefixRule prefixRule = PrefixRule::Always;
  bool escapeSpaces = false; // ' ' -> U+2581 (SentencePiece)
  bool byteFallback = false; // unknown characters become <0xNN> tokens
  bool ignoreMerges = false; // a whole pre-token in the vocabulary is taken as it is
  bool stripPrefixSpaceOnDecode = false;
  bool fuseUnknown = false;
  bool cleanUpOnDecode = false;          // WordPiece: no space before punctuation
  std::string continuationPrefix = "##"; // WordPiece: marks tokens inside a word
  int64_t longestWord = 100;             // WordPiece: more characters are unknown as a whole
  int64_t bos = -1, eos = -1, unknown = -1;
  bool addBos = false, addEos = false;
};

/// The value of a byte token's text, `<0xNN>` with two hexadecimal digits, or -1 for other texts.
int parseByteToken(absl::string_view text);

/// An immutable, thread-safe tokenizer. Text need not be well-formed UTF-8: malformed bytes pass
/// pre-tokenization as pieces of their own and become byte tokens, so that decoding restores them.
class Tokenizer {
public:
  /// Checks the specification (ids without gaps, merges of known tokens, compilable patterns, no
  /// token over 1 MiB) and builds the lookup tables. `file` names the source in errors.
  static absl::StatusOr<std::unique_ptr<Tokenizer>> create(TokenizerSpec spec,
                                                           const std::string &file);
  virtual ~Tokenizer() = default;

  struct EncodeOptions {
    bool addSpecial = true;    // BOS/EOS as the specification says
    bool parseSpecial = false; // text of special tokens becomes those tokens
    /// With `parseSpecial`: text that is dropped wherever it stands, after special tokens were
    /// looked for. Inside the text of a special token it keeps that ordinary text.
    absl::string_view mark = {};
  };
  /// Errors: the regex step limit was reached, normalization makes far more of the text than it
  /// was, or a character has no token and there is no unknown.
  virtual absl::StatusOr<std::vector<int32_t>> encode(absl::string_view text,
                                                      const EncodeOptions &options) const = 0;
  /// The bytes of the tokens joined; control tokens are left out unless asked for. Ids outside the
  /// vocabulary are an error.
  virtual absl::StatusOr<std::string> decode(absl::Span<const int32_t> ids,
                                             bool keepSpecial = false) const = 0;
  /// The bytes one token adds in the middle of a text (for streaming; may be part of a character).
  virtual std::string piece(int32_t id) const = 0;
  virtual const TokenizerSpec &spec() const = 0;

  /// A compact binary form for the model binary, and back. `parse` trusts nothing.
  std::string serialize() const;
  static absl::StatusOr<std::unique_ptr<Tokenizer>> parse(absl::string_view bytes,
                                                          const std::string &file);
};

} // namespace stc

#endif // STC_TOKENIZER_TOKENIZER_H
