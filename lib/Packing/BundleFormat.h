// The parts of a bundle that its writer and its reader share.
#ifndef STC_LIB_PACKING_BUNDLEFORMAT_H
#define STC_LIB_PACKING_BUNDLEFORMAT_H

#include "stc/Packing/Bundle.h"

#include <cstring>

namespace stc {

constexpr char kBundleMagic[] = "STCBUND1";
constexpr uint32_t kBundleVersion = 1;
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kSectionBytes = 64;
constexpr uint64_t kBlockBytes = 16 << 20;
constexpr uint64_t kFooterBytes = 64;
constexpr uint64_t kEntryBytes = 32;

/// In the order in which they are stored.
enum BundleSection { kWeights, kTokenizer, kSettings, kRecords, kSectionCount };
constexpr absl::string_view kSectionNames[kSectionCount] = {"weights", "tokenizer", "settings",
                                                            "records"};

inline uint64_t alignUp(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

/// Builds little-endian structures.
class ByteWriter {
public:
  template <typename T> void number(T value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
  }
  void string(absl::string_view text) {
    number(uint32_t(text.size()));
    bytes.append(text.data(), text.size());
  }
  std::string bytes;
};

/// Reads them back; a read past the end fails and changes nothing.
class ByteReader {
public:
  explicit ByteReader(absl::Span<const uint8_t> bytes) : bytes(bytes) {}
  template <typename T> bool number(T &value) {
    if (remaining() < sizeof(value))
      return false;
    std::memcpy(&value, bytes.data() + at, sizeof(value));
    at += sizeof(value);
    return true;
  }
  bool string(std::string &text) {
    uint32_t size = 0;
    if (!number(size))
      return false;
    if (remaining() < size) {
      at -= sizeof(size);
      return false;
    }
    text.assign(reinterpret_cast<const char *>(bytes.data()) + at, size);
    at += size;
    return true;
  }
  size_t offset() const { return at; }
  size_t remaining() const { return bytes.size() - at; }

private:
  absl::Span<const uint8_t> bytes;
  size_t at = 0;
};

/// Settings as text and back. `site` is the section (its offset that of the first byte), for
/// errors. Formatting fails where parsing would.
absl::StatusOr<std::string> formatSettings(const ModelSettings &settings);
absl::StatusOr<ModelSettings> parseSettings(absl::string_view text, const ErrorSite &site);

/// The rules of a record; `previousEnd` is where the tensor before it ends and becomes this one's.
absl::Status verifyRecord(const WeightRecord &record, uint64_t weightBytes, uint64_t &previousEnd,
                          const ErrorSite &site);
std::string formatRecords(const std::vector<WeightRecord> &records);
absl::StatusOr<std::vector<WeightRecord>> parseRecords(absl::Span<const uint8_t> bytes,
                                                       uint64_t weightBytes, const ErrorSite &site);

} // namespace stc

#endif // STC_LIB_PACKING_BUNDLEFORMAT_H
