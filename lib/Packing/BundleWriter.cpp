// Writing of bundles, hashed on the way.
#include "BundleFormat.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace stc {

uint64_t hashBytes(absl::Span<const uint8_t> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

namespace {

absl::Span<const uint8_t> asBytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// Hashes a stream in blocks.
class BlockHasher {
public:
  BlockHasher() : state(XXH3_createState(), XXH3_freeState) { XXH3_64bits_reset(state.get()); }

  void add(absl::Span<const uint8_t> bytes) {
    while (!bytes.empty()) {
      size_t part = size_t(std::min<uint64_t>(bytes.size(), kBlockBytes - filled));
      XXH3_64bits_update(state.get(), bytes.data(), part);
      bytes.remove_prefix(part);
      filled += part;
      if (filled == kBlockBytes)
        endBlock();
    }
  }
  std::vector<uint64_t> finish() {
    if (filled)
      endBlock();
    return std::move(hashes);
  }

private:
  void endBlock() {
    hashes.push_back(XXH3_64bits_digest(state.get()));
    XXH3_64bits_reset(state.get());
    filled = 0;
  }
  std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t *)> state;
  uint64_t filled = 0;
  std::vector<uint64_t> hashes;
};

} // namespace

struct BundleWriter::State {
  explicit State(AtomicFile &file) : file(file) {}
  enum class Phase { Created, Weights, Finished } phase = Phase::Created;
  AtomicFile &file;
  BlockHasher weightHasher;
  uint64_t weightsOffset = 0;
  std::vector<WeightRecord> records;

  uint64_t weightBytes() const { return file.size() - weightsOffset; }
};

BundleWriter::BundleWriter(AtomicFile &file) : state(std::make_shared<State>(file)) {}

absl::Status BundleWriter::beginWeights() {
  if (state->phase != State::Phase::Created)
    return absl::FailedPreconditionError("the weights of a bundle were begun before");
  STC_RETURN_IF_ERROR(state->file.padTo(kPageBytes));
  state->weightsOffset = state->file.size();
  state->phase = State::Phase::Weights;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> BundleWriter::addWeight(WeightRecord record,
                                                 absl::Span<const uint8_t> bytes) {
  if (state->phase != State::Phase::Weights)
    return absl::FailedPreconditionError("weights of a bundle belong between begin and finish");
  static constexpr uint8_t zeros[kSectionBytes] = {};
  uint64_t before = state->weightBytes();
  record.offset = alignUp(before, kSectionBytes);
  record.bytes = bytes.size();
  uint64_t previousEnd = before;
  STC_RETURN_IF_ERROR(verifyRecord(record, record.offset + record.bytes, previousEnd,
                                   {"", kSectionNames[kRecords].data(), {}}));
  state->weightHasher.add(absl::MakeSpan(zeros, size_t(record.offset - before)));
  STC_RETURN_IF_ERROR(state->file.padTo(kSectionBytes));
  state->weightHasher.add(bytes);
  STC_RETURN_IF_ERROR(state->file.write(bytes));
  state->records.push_back(std::move(record));
  return state->records.back().offset;
}

absl::Status BundleWriter::finish(const ModelSettings &settings, absl::string_view tokenizer,
                                  uint64_t base) {
  if (state->phase != State::Phase::Weights)
    return absl::FailedPreconditionError("a bundle is finished once, after its weights");
  if (base % kPageBytes != 0)
    return absl::InvalidArgumentError("a bundle is moved by whole pages");
  STC_ASSIGN_OR_RETURN(std::string settingsText, formatSettings(settings));
  std::string records = formatRecords(state->records);
  ByteWriter entries, hashes, footer;
  auto addEntry = [&](BundleSection section, uint64_t offset, uint64_t bytes, BlockHasher &hasher) {
    std::string name(kSectionNames[section]);
    name.resize(16);
    entries.bytes += name;
    entries.number(offset);
    entries.number(bytes);
    for (uint64_t hash : hasher.finish())
      hashes.number(hash);
  };
  addEntry(kWeights, base + state->weightsOffset, state->weightBytes(), state->weightHasher);
  const std::pair<BundleSection, absl::string_view> sections[] = {
      {kTokenizer, tokenizer}, {kSettings, settingsText}, {kRecords, records}};
  for (const auto &[section, bytes] : sections) {
    STC_RETURN_IF_ERROR(state->file.padTo(kSectionBytes));
    BlockHasher hasher;
    hasher.add(asBytes(bytes));
    addEntry(section, base + state->file.size(), bytes.size(), hasher);
    STC_RETURN_IF_ERROR(state->file.write(bytes));
  }
  STC_RETURN_IF_ERROR(state->file.padTo(kSectionBytes));
  std::string table = entries.bytes + hashes.bytes;
  uint64_t tableOffset = base + state->file.size();
  footer.bytes = kBundleMagic;
  footer.number(kBundleVersion);
  footer.number(uint32_t(kSectionCount));
  footer.number(tableOffset);
  footer.number(uint64_t(table.size()));
  footer.number(alignUp(tableOffset + table.size(), kSectionBytes) + kFooterBytes);
  footer.number(kBlockBytes);
  footer.number(hashBytes(asBytes(table)));
  footer.number(hashBytes(asBytes(footer.bytes)));
  STC_RETURN_IF_ERROR(state->file.write(table));
  STC_RETURN_IF_ERROR(state->file.padTo(kSectionBytes));
  STC_RETURN_IF_ERROR(state->file.write(footer.bytes));
  state->phase = State::Phase::Finished;
  return absl::OkStatus();
}

} // namespace stc
