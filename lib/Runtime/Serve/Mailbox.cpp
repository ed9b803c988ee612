// An eventfd that is readable while calls wait.
#include "Mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace stc {

std::shared_ptr<Mailbox> Mailbox::create() {
  int handle = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return handle < 0 ? nullptr : std::shared_ptr<Mailbox>(new Mailbox(handle));
}

Mailbox::~Mailbox() { ::close(handle); }

void Mailbox::post(Call call) {
  std::lock_guard<std::mutex> lock(mutex);
  if (isClosed)
    return;
  calls.push_back(std::move(call));
  // It can fail only when 2^64 - 2 calls wait.
  (void)eventfd_write(handle, 1);
}

void Mailbox::deliver() {
  std::vector<Call> due;
  {
    std::lock_guard<std::mutex> lock(mutex);
    eventfd_t count = 0;
    (void)eventfd_read(handle, &count);
    due.swap(calls);
  }
  for (const Call &call : due)
    call();
}

void Mailbox::close() {
  std::vector<Call> dropped; // destroyed without the lock: they may own what posts
  std::lock_guard<std::mutex> lock(mutex);
  isClosed = true;
  dropped.swap(calls);
}

} // namespace stc
