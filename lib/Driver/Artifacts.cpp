// The files a compilation writes, complete or not at all.
#include "Artifacts.h"

#include "CApiHeader.h"
#include "stc/Runtime/Output.h"
#include "stc/Target/Emission/Linker.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "llvm/Support/Path.h"

#include <algorithm>

using namespace stc;

/// Weights start at a page of their own, so that they can be mapped.
static constexpr uint64_t kPage = 4096;
/// Room for code is a multiple of a large page, so that weights keep theirs; no program needs more.
static constexpr uint64_t kLargePage = 2 << 20, kMostRoom = 32 << 20;

/// Room for code in front of so many weights: a few per cent of the file at most, even of 4 bits.
/// Code that does not fit makes weights be written twice, as those of small models are.
static uint64_t roomForCode(int64_t weights) {
  return std::min(uint64_t(weights) / 32 / kLargePage * kLargePage, kMostRoom);
}

absl::Status stc::writeText(const std::string &path, absl::string_view text) {
  if (path == "-")
    return print(text);
  STC_ASSIGN_OR_RETURN(auto file, AtomicFile::create(path));
  STC_RETURN_IF_ERROR(file->write(text));
  return file->commit();
}

absl::StatusOr<std::unique_ptr<ModelArtifacts>>
ModelArtifacts::create(EmitKind kind, const std::string &output,
                       const cpu::TargetDescription &target, int64_t weights) {
  STC_ASSIGN_OR_RETURN(auto host, cpu::TargetDescription::parse("native"));
  if (target.triple != host.triple)
    return formatError({"", "--target " + target.name, {}},
                       "this machine's architecture for exe, shared and object "
                       "(other targets: --emit=asm, llvm or mlir:<phase>)",
                       target.triple);
  auto artifacts = std::unique_ptr<ModelArtifacts>(new ModelArtifacts);
  artifacts->kind = kind;
  artifacts->output = output;
  if (kind == EmitKind::Executable)
    artifacts->room = roomForCode(weights);
  STC_ASSIGN_OR_RETURN(artifacts->bundleFile,
                       AtomicFile::create(artifacts->room ? output : output + ".weights"));
  STC_RETURN_IF_ERROR(
      artifacts->bundleFile->write(absl::string_view(std::string(artifacts->room, '\0'))));
  artifacts->writer = std::make_unique<BundleWriter>(*artifacts->bundleFile);
  return artifacts;
}

/// A C identifier from a file name: "my-model.so" -> "my_model".
static std::string identifier(const std::string &output) {
  std::string name = llvm::sys::path::stem(output).str();
  for (char &c : name)
    if (!absl::ascii_isalnum(c))
      c = '_';
  if (name.empty() || absl::ascii_isdigit(name[0]))
    name = "model_" + name;
  return name;
}

absl::Status ModelArtifacts::finish(llvm::ArrayRef<std::string> objects,
                                    const ModelSettings &settings, const std::string &tokenizer) {
  // The objects and the linked file are temporaries: their AtomicFiles are never committed under
  // these names, so they vanish whatever happens.
  std::vector<std::unique_ptr<AtomicFile>> objectFiles;
  LinkJob job;
  for (const std::string &object : objects) {
    STC_ASSIGN_OR_RETURN(auto file,
                         AtomicFile::create(absl::StrCat(output, ".", objectFiles.size(), ".o")));
    STC_RETURN_IF_ERROR(file->write(absl::string_view(object)));
    STC_RETURN_IF_ERROR(file->flush());
    job.objectPaths.push_back(file->temporaryPath());
    objectFiles.push_back(std::move(file));
  }
  STC_ASSIGN_OR_RETURN(auto linkedFile, AtomicFile::create(output + ".linked"));

  job.kind = kind == EmitKind::Executable ? LinkKind::Executable
             : kind == EmitKind::Shared   ? LinkKind::Shared
                                          : LinkKind::Relocatable;
  job.outputPath = linkedFile->temporaryPath();
  job.prefix = identifier(output);
  STC_RETURN_IF_ERROR(link(job));
  STC_ASSIGN_OR_RETURN(std::string linked, readFile(job.outputPath));
  bool fits = linked.size() <= room;
  uint64_t base = kind == EmitKind::Executable && !fits
                      ? (linked.size() + kPage - 1) / kPage * kPage - room
                      : 0;
  STC_RETURN_IF_ERROR(writer->finish(settings, tokenizer, base));
  if (fits)
    return finishInPlace(linked);
  return kind == EmitKind::Executable ? finishExecutable(linked)
                                      : finishLibrary(linked, job.prefix);
}

/// One file: the executable in the room that was left for it.
absl::Status ModelArtifacts::finishInPlace(const std::string &linked) {
  STC_RETURN_IF_ERROR(
      bundleFile->writeAt(0, {reinterpret_cast<const uint8_t *>(linked.data()), linked.size()}));
  return bundleFile->commit(/*executable=*/true);
}

/// One file: the executable, then the bundle at a page boundary, without the room in front of it.
absl::Status ModelArtifacts::finishExecutable(const std::string &linked) {
  STC_ASSIGN_OR_RETURN(auto out, AtomicFile::create(output));
  STC_RETURN_IF_ERROR(out->write(absl::string_view(linked)));
  STC_RETURN_IF_ERROR(out->padTo(kPage));
  STC_RETURN_IF_ERROR(bundleFile->flush());
  STC_ASSIGN_OR_RETURN(auto bundle, MappedFile::open(bundleFile->temporaryPath()));
  // In pieces, dropping the pages behind: the resident set stays small however large the model.
  constexpr uint64_t piece = 64 << 20;
  absl::Span<const uint8_t> bytes = bundle->bytes();
  for (uint64_t offset = room; offset < bytes.size(); offset += piece) {
    STC_RETURN_IF_ERROR(out->write(bytes.subspan(offset, piece)));
    bundle->release(offset, std::min<uint64_t>(piece, bytes.size() - offset));
  }
  return out->commit(/*executable=*/true);
}

/// OUT.so or OUT.o, then OUT.h, then OUT.weights.
absl::Status ModelArtifacts::finishLibrary(const std::string &linked, const std::string &prefix) {
  bool shared = kind == EmitKind::Shared;
  STC_ASSIGN_OR_RETURN(auto library, AtomicFile::create(output + (shared ? ".so" : ".o")));
  STC_RETURN_IF_ERROR(library->write(absl::string_view(linked)));
  STC_RETURN_IF_ERROR(library->commit(/*executable=*/shared));
  STC_RETURN_IF_ERROR(writeText(output + ".h", capiHeader(prefix)));
  return bundleFile->commit();
}
