// Reading of bundles: everything is checked before it is used, and weights stay where they are
// mapped.
#include "BundleFormat.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <atomic>

namespace stc {

namespace {

/// More threads than this cannot read memory faster.
constexpr int kMaxThreads = 64;

absl::string_view asText(absl::Span<const uint8_t> bytes) {
  return {reinterpret_cast<const char *>(bytes.data()), bytes.size()};
}

std::string hex(uint64_t value) { return absl::StrCat("0x", absl::Hex(value)); }

/// What the footer says, in the order in which it says it.
struct Footer {
  uint32_t version = 0, sections = 0;
  uint64_t tableOffset = 0, tableBytes = 0, fileBytes = 0, blockBytes = 0, tableHash = 0, hash = 0;
};

absl::StatusOr<Footer> readFooter(absl::Span<const uint8_t> file, const std::string &path) {
  uint64_t at = file.size() < kFooterBytes ? 0 : file.size() - kFooterBytes;
  auto error = [&](absl::string_view expected, absl::string_view got) {
    return formatError({path, "bundle footer", at}, expected, got);
  };
  if (file.size() < kFooterBytes)
    return error("a file of at least 64 bytes", absl::StrCat(file.size()));
  absl::Span<const uint8_t> bytes = file.subspan(size_t(at));
  absl::string_view magic = asText(bytes.first(8));
  if (magic != kBundleMagic)
    return error(absl::StrCat(kBundleMagic, " 64 bytes before the end of the file"), magic);
  ByteReader reader(bytes.subspan(8));
  Footer footer;
  reader.number(footer.version);
  reader.number(footer.sections);
  for (uint64_t *field : {&footer.tableOffset, &footer.tableBytes, &footer.fileBytes,
                          &footer.blockBytes, &footer.tableHash, &footer.hash})
    reader.number(*field);
  // The version first: later ones may hash or mean the rest differently.
  if (footer.version != kBundleVersion)
    return error(absl::StrCat("version ", kBundleVersion), absl::StrCat(footer.version));
  uint64_t hash = hashBytes(bytes.first(kFooterBytes - sizeof(uint64_t)));
  if (footer.hash != hash)
    return error(absl::StrCat("checksum ", hex(footer.hash)), hex(hash));
  if (footer.fileBytes != file.size())
    return error(absl::StrCat("a file of ", footer.fileBytes, " bytes"), absl::StrCat(file.size()));
  if (footer.sections != kSectionCount)
    return error(absl::StrCat(int(kSectionCount), " sections"), absl::StrCat(footer.sections));
  if (footer.blockBytes != kBlockBytes)
    return error(absl::StrCat("blocks of ", kBlockBytes, " bytes"),
                 absl::StrCat(footer.blockBytes));
  if (footer.tableOffset % kSectionBytes != 0 || footer.tableOffset > at ||
      footer.tableBytes > at - footer.tableOffset ||
      alignUp(footer.tableOffset + footer.tableBytes, kSectionBytes) != at)
    return error("a section table right before the footer",
                 absl::StrCat(footer.tableBytes, " bytes at ", hex(footer.tableOffset)));
  return footer;
}

} // namespace

absl::Status Bundle::readTable(absl::Span<const uint8_t> bytes) {
  STC_ASSIGN_OR_RETURN(Footer footer, readFooter(bytes, path()));
  auto error = [&](absl::string_view field, uint64_t offset, absl::string_view expected,
                   absl::string_view got) {
    return formatError({path(), absl::StrCat("bundle ", field), offset}, expected, got);
  };
  auto checkZeros = [&](uint64_t begin, uint64_t end) {
    for (uint64_t at = begin; at < end; ++at)
      if (bytes[size_t(at)] != 0)
        return error("padding", at, "zero bytes", hex(bytes[size_t(at)]));
    return absl::OkStatus();
  };
  absl::Span<const uint8_t> table =
      bytes.subspan(size_t(footer.tableOffset), size_t(footer.tableBytes));
  uint64_t hash = hashBytes(table);
  if (hash != footer.tableHash)
    return error("section table", footer.tableOffset,
                 absl::StrCat("checksum ", hex(footer.tableHash)), hex(hash));
  if (table.size() < kSectionCount * kEntryBytes)
    return error("section table", footer.tableOffset,
                 absl::StrCat("at least ", kSectionCount * kEntryBytes, " bytes"),
                 absl::StrCat(table.size()));
  ByteReader entries(table.first(kSectionCount * kEntryBytes));
  ByteReader hashes(table.subspan(kSectionCount * kEntryBytes));
  uint64_t end = 0; // of the section before
  for (size_t i = 0; i < kSectionCount; ++i) {
    uint64_t entryOffset = footer.tableOffset + entries.offset();
    absl::string_view name = kSectionNames[i];
    char stored[16];
    uint64_t offset = 0, size = 0;
    entries.number(stored);
    entries.number(offset);
    entries.number(size);
    absl::string_view storedName(stored, sizeof(stored));
    if (storedName.substr(0, name.size()) != name ||
        storedName.find_first_not_of('\0', name.size()) != absl::string_view::npos)
      return error("section table", entryOffset, absl::StrCat("section ", name), storedName);
    // The weights begin wherever what stands before them ends; the rest follows without holes.
    bool placed = i == kWeights ? offset % kPageBytes == 0 : offset == alignUp(end, kSectionBytes);
    if (!placed || offset > footer.tableOffset || size > footer.tableOffset - offset)
      return error("section table", entryOffset,
                   absl::StrCat(name, " in place and before ", hex(footer.tableOffset)),
                   absl::StrCat(size, " bytes at ", hex(offset)));
    if (i != kWeights)
      STC_RETURN_IF_ERROR(checkZeros(end, offset));
    end = offset + size;
    for (uint64_t at = offset; at < end; at += kBlockBytes) {
      Checksum checksum{name, at, std::min(kBlockBytes, end - at), 0};
      if (!hashes.number(checksum.hash))
        return error("section table", footer.tableOffset, "a checksum for every block",
                     "a table too short");
      checksums.push_back(checksum);
    }
    if (i == kSettings || i == kRecords)
      for (const Checksum &checksum : checksums)
        if (checksum.section == name)
          STC_RETURN_IF_ERROR(check(checksum));
    absl::Span<const uint8_t> section = bytes.subspan(size_t(offset), size_t(size));
    ErrorSite site{path(), absl::StrCat("bundle ", name), offset};
    if (i == kWeights) {
      weightBytes = section;
    } else if (i == kTokenizer) {
      tokenizerBytes = asText(section);
    } else if (i == kSettings) {
      STC_ASSIGN_OR_RETURN(modelSettings, parseSettings(asText(section), site));
    } else {
      STC_ASSIGN_OR_RETURN(weightRecords, parseRecords(section, weightBytes.size(), site));
    }
  }
  if (hashes.remaining() != 0)
    return error("section table", footer.tableOffset, "one checksum for every block",
                 absl::StrCat(hashes.remaining(), " more bytes"));
  if (alignUp(end, kSectionBytes) != footer.tableOffset)
    return error("section table", footer.tableOffset, "sections up to the table",
                 absl::StrCat("an end at ", hex(end)));
  STC_RETURN_IF_ERROR(checkZeros(end, footer.tableOffset));
  return checkZeros(footer.tableOffset + footer.tableBytes, bytes.size() - kFooterBytes);
}

absl::StatusOr<std::unique_ptr<Bundle>> Bundle::open(const std::string &path) {
  std::unique_ptr<Bundle> bundle(new Bundle);
  STC_ASSIGN_OR_RETURN(bundle->file, MappedFile::open(path));
  STC_RETURN_IF_ERROR(bundle->readTable(bundle->file->bytes()));
  return bundle;
}

absl::Status Bundle::check(const Checksum &checksum) const {
  uint64_t hash = hashBytes(file->bytes().subspan(size_t(checksum.offset), size_t(checksum.bytes)));
  if (hash == checksum.hash)
    return absl::OkStatus();
  return formatError({path(), absl::StrCat("bundle ", checksum.section), checksum.offset},
                     absl::StrCat("checksum ", hex(checksum.hash)), hex(hash));
}

absl::Status Bundle::verifyChecksums(int threads) const {
  std::atomic<size_t> next{0}, firstBad{checksums.size()};
  auto work = [&] {
    for (size_t i = next++; i < checksums.size(); i = next++) {
      if (check(checksums[i]).ok())
        continue;
      // The first in the file is reported, whichever thread saw which first.
      size_t seen = firstBad;
      while (i < seen && !firstBad.compare_exchange_weak(seen, i))
        ;
    }
  };
  threads = std::min({threads, kMaxThreads, int(std::min<size_t>(checksums.size(), kMaxThreads))});
  {
    HelperThreads helpers(threads - 1, work);
    work();
  }
  return firstBad == checksums.size() ? absl::OkStatus() : check(checksums[firstBad]);
}

} // namespace stc
