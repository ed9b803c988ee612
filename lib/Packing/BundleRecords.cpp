// The records of a bundle's weights, in binary.
#include "BundleFormat.h"

#include "absl/strings/str_cat.h"

#include <cmath>

namespace stc {

namespace {

constexpr uint32_t kMaxRank = 8;
/// Four strings, the rank and six numbers: what the emptiest record takes.
constexpr uint64_t kSmallestRecord = 4 * 4 + 4 + 5 * 8;

ErrorSite siteOf(const ErrorSite &section, const WeightRecord &record) {
  ErrorSite site = section;
  site.field = absl::StrCat(section.field, ": ", record.name);
  return site;
}

} // namespace

absl::Status verifyRecord(const WeightRecord &record, uint64_t weightBytes, uint64_t &previousEnd,
                          const ErrorSite &section) {
  auto error = [&](absl::string_view expected, absl::string_view got) {
    return formatError(siteOf(section, record), expected, got);
  };
  if (record.name.empty())
    return error("a name", "none");
  if (record.shape.empty() || record.shape.size() > kMaxRank)
    return error(absl::StrCat("1 to ", kMaxRank, " dimensions"), absl::StrCat(record.shape.size()));
  int64_t count = 1;
  for (int64_t extent : record.shape)
    if (extent <= 0 || __builtin_mul_overflow(count, extent, &count))
      return error("positive dimensions whose product fits 63 bits", absl::StrCat(extent));
  if (record.group < 0)
    return error("a group of 0 or more", absl::StrCat(record.group));
  if (!(record.density >= 0 && record.density <= 1))
    return error("a density from 0 to 1", absl::StrCat(record.density));
  if (!(record.bits >= 0 && std::isfinite(record.bits)))
    return error("bits of 0 or more", absl::StrCat(record.bits));
  if (record.offset % kSectionBytes != 0 || record.offset < previousEnd)
    return error(absl::StrCat("an offset past 0x", absl::Hex(previousEnd), ", a multiple of 64"),
                 absl::StrCat("0x", absl::Hex(record.offset)));
  if (record.offset > weightBytes || record.bytes > weightBytes - record.offset)
    return error(absl::StrCat("a tensor within ", weightBytes, " bytes of weights"),
                 absl::StrCat(record.bytes, " bytes at 0x", absl::Hex(record.offset)));
  previousEnd = record.offset + record.bytes;
  return absl::OkStatus();
}

std::string formatRecords(const std::vector<WeightRecord> &records) {
  ByteWriter writer;
  writer.number(uint64_t(records.size()));
  for (const WeightRecord &record : records) {
    for (const std::string *text : {&record.name, &record.layout, &record.pattern, &record.reason})
      writer.string(*text);
    writer.number(uint32_t(record.shape.size()));
    for (int64_t extent : record.shape)
      writer.number(extent);
    writer.number(record.group);
    writer.number(record.density);
    writer.number(record.bits);
    writer.number(record.offset);
    writer.number(record.bytes);
  }
  return std::move(writer.bytes);
}

absl::StatusOr<std::vector<WeightRecord>>
parseRecords(absl::Span<const uint8_t> bytes, uint64_t weightBytes, const ErrorSite &section) {
  ByteReader reader(bytes);
  auto here = [&] {
    ErrorSite site = section;
    if (site.offset)
      *site.offset += reader.offset();
    return site;
  };
  uint64_t count = 0, previousEnd = 0;
  if (!reader.number(count))
    return formatError(here(), "a record count of 8 bytes", absl::StrCat(reader.remaining()));
  if (count > reader.remaining() / kSmallestRecord)
    return formatError(here(), absl::StrCat("records within ", reader.remaining(), " bytes"),
                       absl::StrCat(count, " records"));
  std::vector<WeightRecord> records;
  records.reserve(size_t(count));
  for (uint64_t i = 0; i < count; ++i) {
    WeightRecord record;
    uint32_t rank = 0;
    ErrorSite site = here();
    bool read = reader.string(record.name) && reader.string(record.layout) &&
                reader.string(record.pattern) && reader.string(record.reason) &&
                reader.number(rank) && rank <= kMaxRank;
    for (uint32_t axis = 0; read && axis < rank; ++axis)
      read = reader.number(record.shape.emplace_back());
    read = read && reader.number(record.group) && reader.number(record.density) &&
           reader.number(record.bits) && reader.number(record.offset) &&
           reader.number(record.bytes);
    if (!read)
      return formatError(site, absl::StrCat("a whole record ", i), "one cut short");
    STC_RETURN_IF_ERROR(verifyRecord(record, weightBytes, previousEnd, site));
    records.push_back(std::move(record));
  }
  if (reader.remaining() != 0)
    return formatError(here(), "the section's end",
                       absl::StrCat(reader.remaining(), " more bytes"));
  return records;
}

} // namespace stc
