// Work for one thread, from any other.
#ifndef STC_LIB_RUNTIME_SERVE_MAILBOX_H
#define STC_LIB_RUNTIME_SERVE_MAILBOX_H

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace stc {

/// Calls wait until the thread that owns the mailbox sees its descriptor become readable.
class Mailbox {
public:
  using Call = std::function<void()>;
  /// Null if the system refuses a descriptor.
  static std::shared_ptr<Mailbox> create();
  ~Mailbox();
  int descriptor() const { return handle; }
  /// Adds a call, from any thread; after `close` it is dropped.
  void post(Call call);
  /// Makes the calls in the order they came, on the owner's thread.
  void deliver();
  /// Drops the calls that wait and all later ones.
  void close();

private:
  explicit Mailbox(int handle) : handle(handle) {}
  const int handle; // an eventfd
  std::mutex mutex;
  std::vector<Call> calls;
  bool isClosed = false;
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_MAILBOX_H
