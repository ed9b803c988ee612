// The bundle: weights, tokenizer and settings of a model binary in one checksummed, mappable block.
// It stands alone as OUT.weights, or at the end of an executable.
#ifndef STC_PACKING_BUNDLE_H
#define STC_PACKING_BUNDLE_H

#include "stc/Support/File.h"
#include "stc/Support/ModelKind.h"

#include "absl/types/span.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace stc {

/// The XXH3-64 of some bytes.
uint64_t hashBytes(absl::Span<const uint8_t> bytes);

/// What generated code and the runtime must agree on. Written by the compiler as `key = value`
/// text in the "settings" section; unknown keys are kept in `other`, missing, repeated, malformed
/// or out-of-range ones are errors, on writing as on reading.
struct ModelSettings {
  ModelKind kind = ModelKind::Decoder;
  std::string name, architecture, recipe;
  std::string chatTemplate; // as ChatTemplate parses it; empty: the model has none
  int64_t vocabSize = 0, hiddenSize = 0, layers = 0, kvHeads = 0, headDim = 0;
  int64_t maxContext = 0;   // positions the KV cache can hold, a multiple of 16
  int64_t prefillChunk = 0; // most tokens one call of the prefill function takes
  int64_t arenaBytes = 0;   // scratch memory generated code needs
  int64_t gpuPrefillChunk = 0, gpuArenaBytes = 0; // the same on GPUs; 0: there is no code for any
  int64_t keyCacheBytes = 0, valueCacheBytes = 0;
  int64_t encoderContext = 0; // most positions of the encoder of an encoder-decoder
  /// Numbers in a row of what an encoder reads beside tokens; 0: it reads tokens alone. In front of
  /// a decoder, two rows are a position; of images, one is, a patch.
  int64_t featureSize = 0;
  std::string image;         // of models that read images: formatImageSettings, else empty
  int64_t labelLogits = 0;   // columns of what an encoder's heads give; 0: it has none
  int64_t decoderStart = -1; // the token that the decoder behind it begins with; -1: none
  /// Of encoders: poolingName of how a text's hidden states become its vector, else empty, and
  /// whether (1 or 0) that is scaled to length 1.
  std::string pooling;
  int64_t normalize = 0;
  std::string kvCache;               // how these keep numbers, as KVElement's name
  int64_t weightBytesPerToken = 0;   // bytes of packed weights one decoded token reads
  int64_t activationOpsPerToken = 0; // multiply-adds x 2 of all matmuls for one token
  std::vector<int64_t> eosTokens;
  /// As ModelConfig's of these names (stc/Formats/Config.h); bundles without them are of models that
  /// have none.
  std::vector<int64_t> suppressedTokens, firstSuppressedTokens, forcedTokens, languageTokens;
  int64_t bosToken = -1;
  uint64_t codeFingerprint = 0; // equals stc_model_fingerprint in the code the weights belong to
  std::map<std::string, std::string> other; // keys of [a-z0-9_], values of one line

  /// The same for a model that runs on a GPU: what is of a GPU stands in the place of what is of
  /// processors.
  ModelSettings onGpu() const;
};

/// One packed tensor of the bundle, for `info` and `inspect`.
struct WeightRecord {
  std::string name, layout, pattern, reason; // layout as Layout::str(); reason: why this layout
  std::vector<int64_t> shape;
  int64_t group = 0;
  double density = 1, bits = 0;   // stored bits per weight
  uint64_t offset = 0, bytes = 0; // within the weights section
};

/// Writes a bundle at the end of `file` (which may already hold an executable). Little endian,
/// offsets from the start of the file, all gaps zero:
///   weights section, at a multiple of 4096; sections "tokenizer", "settings" and "records" and the
///   section table, each at the next multiple of 64; footer, 64 bytes, at the next multiple of 64
///   and at the end of the file.
/// Section table: four entries {char name[16]; u64 offset, bytes}, then the XXH3-64 of every block
/// of 16 MiB (the last one shorter) of every section in turn, so that threads can share the check.
/// Footer: magic "STCBUND1", u32 version, u32 sections, u64 table offset, u64 table bytes, u64 file
/// bytes, u64 block bytes, u64 XXH3-64 of the table, u64 XXH3-64 of the footer's first 56 bytes.
class BundleWriter {
public:
  explicit BundleWriter(AtomicFile &file);
  /// Starts the weights section; call once, first.
  absl::Status beginWeights();
  /// Appends one tensor's bytes (64-byte aligned) and returns its offset in the weights section.
  absl::StatusOr<uint64_t> addWeight(WeightRecord record, absl::Span<const uint8_t> bytes);
  /// Writes all other sections, the table and the footer. `tokenizer` is Tokenizer::serialize() or
  /// empty. With `base`, a multiple of 4096, the whole file is meant to be appended to another one
  /// of that many bytes: the executable, which can be linked only once the weights are packed.
  absl::Status finish(const ModelSettings &settings, absl::string_view tokenizer,
                      uint64_t base = 0);

private:
  struct State;
  std::shared_ptr<State> state;
};

/// A mapped bundle. Opening checks the footer, the table, every bound, and the checksums of what it
/// parses; `verifyChecksums` reads all bytes once (threads share it).
class Bundle {
public:
  /// `path` may be an executable that ends with a bundle, /proc/self/exe included.
  static absl::StatusOr<std::unique_ptr<Bundle>> open(const std::string &path);
  absl::Status verifyChecksums(int threads) const;
  /// See MappedFile::preferLargePages.
  void preferLargePages() const { file->preferLargePages(); }
  absl::Span<const uint8_t> weights() const { return weightBytes; }
  absl::string_view tokenizer() const { return tokenizerBytes; }
  const ModelSettings &settings() const { return modelSettings; }
  const std::vector<WeightRecord> &records() const { return weightRecords; }
  const std::string &path() const { return file->path(); }

private:
  std::shared_ptr<MappedFile> file;
  absl::Span<const uint8_t> weightBytes;
  absl::string_view tokenizerBytes;
  ModelSettings modelSettings;
  std::vector<WeightRecord> weightRecords;
  struct Checksum {
    absl::string_view section;
    uint64_t offset, bytes, hash;
  };
  absl::Status readTable(absl::Span<const uint8_t> bytes);
  absl::Status check(const Checksum &checksum) const;
  std::vector<Checksum> checksums;
};

} // namespace stc

#endif // STC_PACKING_BUNDLE_H
