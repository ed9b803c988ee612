// Builds checkpoint files byte by byte, right and wrong ones, and finds the shared test data.
#ifndef STC_UNITTESTS_FORMATS_BUILDERS_H
#define STC_UNITTESTS_FORMATS_BUILDERS_H

#include "../Support/TempFolder.h"

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace stc {

/// The folder of shared test models, or "" where there is none.
inline std::string sharedFolder() {
  const char *given = std::getenv("STC_SHARED_DIR");
  std::string folder = given ? given : std::string(STC_SOURCE_DIR) + "/../shared";
  return std::filesystem::is_directory(folder + "/models") ? folder : "";
}

/// The bytes of any plain value, in file order.
template <typename T> std::string bytesOf(T value) {
  return std::string(reinterpret_cast<const char *>(&value), sizeof(value));
}

/// A safetensors file of a header and data; the length field is what the header's is, unless given.
inline std::string safetensorsBytes(const std::string &header, const std::string &data) {
  return bytesOf(uint64_t(header.size())) + header + data;
}
inline std::string safetensorsBytes(uint64_t length, const std::string &header,
                                    const std::string &data) {
  return bytesOf(length) + header + data;
}

/// Writes GGUF files. Everything is put down as told, so that lies can be told too.
class GgufBuilder {
public:
  static constexpr uint32_t u8 = 0, i8 = 1, u16 = 2, i16 = 3, u32 = 4, i32 = 5, f32 = 6,
                            boolean = 7, string = 8, array = 9, u64 = 10, i64 = 11, f64 = 12;

  static std::string text(const std::string &value) {
    return bytesOf(uint64_t(value.size())) + value;
  }

  /// A key whose value is the given raw bytes.
  GgufBuilder &raw(const std::string &key, uint32_t type, const std::string &bytes) {
    keys += text(key) + bytesOf(type) + bytes;
    ++keyCount;
    return *this;
  }
  template <typename T> GgufBuilder &scalar(const std::string &key, uint32_t type, T value) {
    return raw(key, type, bytesOf(value));
  }
  GgufBuilder &number(const std::string &key, uint32_t value) { return scalar(key, u32, value); }
  GgufBuilder &real(const std::string &key, float value) { return scalar(key, f32, value); }
  GgufBuilder &str(const std::string &key, const std::string &value) {
    return raw(key, string, text(value));
  }
  GgufBuilder &list(const std::string &key, uint32_t elementType, uint64_t count,
                    const std::string &bytes) {
    return raw(key, array, bytesOf(elementType) + bytesOf(count) + bytes);
  }

  GgufBuilder &tensor(const std::string &name, const std::vector<uint64_t> &dims, uint32_t type,
                      uint64_t offset) {
    tensors += text(name) + bytesOf(uint32_t(dims.size()));
    for (uint64_t size : dims)
      tensors += bytesOf(size);
    tensors += bytesOf(type) + bytesOf(offset);
    ++tensorCount;
    return *this;
  }

  std::string build(const std::string &data = "", uint64_t alignment = 32) const {
    std::string result =
        magic + bytesOf(version) + bytesOf(tensorCount) + bytesOf(keyCount) + keys + tensors;
    if (!data.empty())
      result.resize((result.size() + alignment - 1) / alignment * alignment);
    return result + data;
  }

  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t keyCount = 0, tensorCount = 0;

private:
  std::string keys, tensors;
};

/// A GGUF file's metadata for a small valid Llama, to which a test adds or from which it departs.
/// `without` leaves out one key.
inline GgufBuilder smallLlama(const std::string &without = "",
                              const std::string &family = "llama") {
  GgufBuilder builder;
  auto number = [&](const std::string &key, uint32_t value) {
    if (key != without)
      builder.number(family + "." + key, value);
  };
  if (without != "general.architecture")
    builder.str("general.architecture", family);
  number("embedding_length", 64);
  number("feed_forward_length", 128);
  number("block_count", 2);
  number("context_length", 256);
  number("attention.head_count", 4);
  number("attention.head_count_kv", 2);
  number("rope.dimension_count", 16);
  number("vocab_size", 100);
  if (without != "attention.layer_norm_rms_epsilon")
    builder.real(family + ".attention.layer_norm_rms_epsilon", 1e-6f);
  return builder;
}

} // namespace stc

#endif // STC_UNITTESTS_FORMATS_BUILDERS_H
