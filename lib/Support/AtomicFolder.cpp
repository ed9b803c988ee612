// Writing: folders whose files appear together, or not at all.
#include "Temporaries.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace stc {

namespace {

bool isEmptyFolder(const std::string &path) {
  DIR *listing = opendir(path.c_str());
  if (!listing)
    return false;
  bool empty = true;
  while (const dirent *entry = readdir(listing))
    empty &= std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0;
  closedir(listing);
  return empty;
}

} // namespace

absl::StatusOr<std::unique_ptr<AtomicFolder>> AtomicFolder::create(const std::string &path) {
  std::unique_ptr<AtomicFolder> folder(new AtomicFolder);
  folder->folder = path;
  if (mkdir(path.c_str(), 0777) == 0) {
    folder->made = true;
    folder->signalSlot = claimTemporary(path);
    return folder;
  }
  if (errno != EEXIST)
    return formatError({path, "", {}}, "a folder that can be made", std::strerror(errno));
  if (!isEmptyFolder(path))
    return formatError({path, "", {}}, "a new or an empty folder", "something that exists");
  return folder;
}

AtomicFolder::~AtomicFolder() {
  files.clear(); // which removes what was not committed
  if (made && !committed)
    rmdir(folder.c_str());
  releaseTemporary(signalSlot);
}

std::string AtomicFolder::pathOf(absl::string_view name) const {
  return absl::StrCat(folder, folder.back() == '/' ? "" : "/", name);
}

absl::Status AtomicFolder::commit() {
  for (size_t i = 0; i < files.size(); ++i) {
    absl::Status status = files[i]->commit();
    if (status.ok())
      continue;
    while (i-- > 0)
      unlink(files[i]->path().c_str());
    return status;
  }
  committed = true;
  return absl::OkStatus();
}

} // namespace stc
