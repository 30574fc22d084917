#include "sidecar/net/dialer.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>

#include "sidecar/net/connection.h"

namespace pannier::net {
namespace {

struct Attempt final : std::enable_shared_from_this<Attempt> {
  Attempt(Loop::Impl& with_loop, ConnectionOptions with_options)
      : loop(with_loop), options(std::move(with_options)), socket(loop.io), timer(loop.io) {
    options.is_client = true;
  }

  void start(const asio::ip::tcp::endpoint& to, std::chrono::milliseconds timeout);
  void fail(const Error& why);
  void give_up();

  Loop::Impl& loop;
  ConnectionOptions options;
  asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type> socket;
  asio::steady_timer timer;
  std::weak_ptr<Connection> connection;
  bool is_over = false;
};

void Attempt::start(const asio::ip::tcp::endpoint& to, std::chrono::milliseconds timeout) {
  timer.expires_after(timeout);
  timer.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error) self->fail(Error{Errc::timed_out, "nobody answers there"});
  });
  socket.async_connect(to, [self = shared_from_this()](boost::system::error_code error) {
    if (self->is_over) return;
    if (error) {
      self->fail(Error{Errc::closed, error.message()});
      return;
    }
    self->is_over = true;
    self->timer.cancel();
    auto made =
        std::make_shared<Connection>(self->loop, std::move(self->socket), std::move(self->options));
    self->connection = made;
    made->start();
  });
}

void Attempt::fail(const Error& why) {
  if (std::exchange(is_over, true)) return;
  boost::system::error_code error;
  timer.cancel();
  socket.close(error);
  if (options.on_closed) options.on_closed(why);
}

void Attempt::give_up() {
  boost::system::error_code error;
  timer.cancel();
  if (!std::exchange(is_over, true)) socket.close(error);
  if (const auto open = connection.lock()) open->close();
}

class DialledAttempt final : public Dialled {
 public:
  DialledAttempt(std::shared_ptr<Attempt> attempt, std::shared_ptr<bool> is_wanted)
      : attempt_(std::move(attempt)), is_wanted_(std::move(is_wanted)) {}
  ~DialledAttempt() override { close(); }
  void close() override {
    *is_wanted_ = false;
    attempt_->give_up();
  }

 private:
  std::shared_ptr<Attempt> attempt_;
  std::shared_ptr<bool> is_wanted_;
};

}  // namespace

std::unique_ptr<Dialled> dial(Loop& loop, const std::string& address, std::uint16_t port,
                              ConnectionOptions options, std::chrono::milliseconds timeout) {
  auto is_wanted = std::make_shared<bool>(true);
  options.on_closed = [is_wanted, told = std::move(options.on_closed)](const Error& why) {
    if (*is_wanted && told) told(why);
  };
  auto attempt = std::make_shared<Attempt>(loop.impl(), std::move(options));
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) {  // told later, as any other failure
    asio::post(attempt->loop.io, [attempt, address] {
      attempt->fail(Error{Errc::bad_argument, "'" + address + "' is no IP address"});
    });
  } else {
    attempt->start({parsed, port}, timeout);
  }
  return std::make_unique<DialledAttempt>(std::move(attempt), std::move(is_wanted));
}

}  // namespace pannier::net
