#include "sidecar/net/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cstring>
#include <map>
#include <set>

#include "common/log.h"
#include "sidecar/net/connection.h"
#include "sidecar/net/unix_door.h"

namespace pannier::net {
namespace {

using Acceptor =
    asio::basic_socket_acceptor<asio::generic::stream_protocol, asio::io_context::executor_type>;

constexpr auto kRetryDelay = std::chrono::milliseconds(100);  // out of descriptors
constexpr int kPortAttempts = 16;

std::uint16_t port_of(const Acceptor& acceptor) {
  boost::system::error_code error;
  const auto local = acceptor.local_endpoint(error);
  asio::ip::tcp::endpoint tcp;
  std::memcpy(tcp.data(), local.data(), std::min(local.size(), tcp.capacity()));
  return tcp.port();
}

}  // namespace

struct Listener::Impl : std::enable_shared_from_this<Impl> {
  struct Door {
    explicit Door(asio::io_context& io) : acceptor(io) {}
    Acceptor acceptor;
    bool waits_for_retry = false;
  };

  Impl(Loop::Impl& with_loop, ListenerOptions with_options)
      : loop(with_loop), options(std::move(with_options)), retry(with_loop.io) {}

  Result<void> listen_on_all();
  Result<void> listen(const std::string& address, std::uint16_t port);
  Result<void> listen_on_socket();
  void accept(Door& door);
  void retry_later(Door& door);
  void serve(Connection::Socket socket);
  bool makes_room();
  void refuse() const {
    if (!is_gone && options.on_refused) options.on_refused();
  }
  void forget(std::uint64_t number);
  void count() const {
    if (!is_gone && options.on_count) options.on_count(connections.size());
  }

  Loop::Impl& loop;
  ListenerOptions options;
  std::vector<std::unique_ptr<Door>> doors;
  std::optional<UnixDoor> file;
  asio::steady_timer retry;
  bool is_retry_set = false;
  std::uint64_t accepted = 0;
  std::map<std::uint64_t, std::weak_ptr<Connection>> connections;  // by age; each keeps itself
  std::set<std::uint64_t> handshaking;                             // of these; the oldest first
  bool is_stopped = false;
  bool is_gone = false;  // the Listener, and whoever it would tell
};

// The first address may find a free port that is taken on the next.
Result<void> Listener::Impl::listen_on_all() {
  Result<void> listening;
  if (!options.socket_path.empty()) return listen_on_socket();
  for (int attempt = 0; attempt < kPortAttempts; ++attempt) {
    std::uint16_t port = options.port;
    listening = {};
    for (const std::string& address : options.addresses) {
      listening = listen(address, port);
      if (!listening) break;
      port = port_of(doors.back()->acceptor);
    }
    if (listening) options.port = port;
    if (listening || options.port != 0 || doors.empty()) break;
    doors.clear();
  }
  if (!listening) return listening;
  for (const auto& door : doors) accept(*door);
  return {};
}

Result<void> Listener::Impl::listen(const std::string& address, std::uint16_t port) {
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) return Error{Errc::bad_config, "'" + address + "' is no IP address to listen on"};
  const asio::ip::tcp::endpoint endpoint(parsed, port);
  auto door = std::make_unique<Door>(loop.io);
  Acceptor& acceptor = door->acceptor;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(Acceptor::reuse_address(true), error);
  if (!error && parsed.is_v6()) acceptor.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(1'024, error);
  if (error)
    return Error{Errc::bad_config, "cannot listen on " + address + " port " + std::to_string(port) +
                                       ": " + error.message()};
  doors.push_back(std::move(door));
  return {};
}

Result<void> Listener::Impl::listen_on_socket() {
  auto opened = UnixDoor::open(options.socket_path);
  if (!opened) return opened.error();
  auto door = std::make_unique<Door>(loop.io);
  boost::system::error_code error;
  const int socket = opened->take_socket();
  door->acceptor.assign({AF_UNIX, 0}, socket, error);
  if (error) {
    ::close(socket);
    return Error{Errc::bad_config,
                 "cannot listen on socket '" + options.socket_path + "': " + error.message()};
  }
  file.emplace(std::move(*opened));
  doors.push_back(std::move(door));
  accept(*doors.back());
  return {};
}

void Listener::Impl::accept(Door& door) {
  door.acceptor.async_accept([self = shared_from_this(), &door](boost::system::error_code error,
                                                                Connection::Socket socket) {
    if (self->is_stopped) return;
    if (!error) {
      self->serve(std::move(socket));
      if (!self->is_stopped) self->accept(door);
      return;
    }
    if (error == asio::error::operation_aborted) return;
    static log::RateLimit limit(1);
    log::warn(limit, "cannot accept a connection", {{"error", error.message()}});
    self->retry_later(door);
  });
}

void Listener::Impl::retry_later(Door& door) {
  door.waits_for_retry = true;
  if (std::exchange(is_retry_set, true)) return;
  retry.expires_after(kRetryDelay);
  retry.async_wait([self = shared_from_this()](boost::system::error_code stopped) {
    self->is_retry_set = false;
    if (stopped || self->is_stopped) return;
    for (const auto& waiting : self->doors)
      if (std::exchange(waiting->waits_for_retry, false)) self->accept(*waiting);
  });
}

bool Listener::Impl::makes_room() {
  const bool has_room = connections.size() < options.connections_max &&
                        (!options.tls || handshaking.size() < options.handshakes_max);
  if (has_room) return true;
  refuse();
  if (handshaking.empty()) return false;
  if (const auto oldest = connections.at(*handshaking.begin()).lock()) oldest->close();
  return true;
}

void Listener::Impl::serve(Connection::Socket socket) {
  ConnectionOptions of;
  of.limits = options.limits;
  if (options.tls) of.tls = options.tls();
  if (options.tls && !of.tls) return refuse();
  if (!makes_room() || is_stopped) return;
  const std::uint64_t number = ++accepted;
  of.make_session = [weak = weak_from_this(), number,
                     make = options.make_session](const PeerInfo& peer) {
    if (const auto self = weak.lock()) self->handshaking.erase(number);
    return make(peer);
  };
  of.on_closed = [weak = weak_from_this(), number](const Error&) {
    if (const auto self = weak.lock()) self->forget(number);
  };
  auto connection = std::make_shared<Connection>(loop, std::move(socket), std::move(of));
  connections.emplace(number, connection);
  if (options.tls) handshaking.insert(number);
  count();
  connection->start();
}

void Listener::Impl::forget(std::uint64_t number) {
  handshaking.erase(number);
  connections.erase(number);
  count();
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, ListenerOptions options) {
  auto impl = std::make_shared<Impl>(loop.impl(), std::move(options));
  auto listener = std::unique_ptr<Listener>(new Listener(impl));
  if (auto listening = impl->listen_on_all(); !listening) return listening.error();
  return listener;
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() {
  stop();
  impl_->is_gone = true;
}

std::uint16_t Listener::port() const { return impl_->options.port; }

std::size_t Listener::connections() const { return impl_->connections.size(); }

void Listener::stop() {
  impl_->is_stopped = true;
  impl_->retry.cancel();
  for (const auto& door : impl_->doors) {
    boost::system::error_code error;
    door->acceptor.close(error);
  }
  if (impl_->file) impl_->file->remove();
}

void Listener::close_all() {
  std::vector<std::shared_ptr<Connection>> open;  // the end of one may end others, and us
  for (const auto& [number, connection] : impl_->connections) open.push_back(connection.lock());
  for (const auto& connection : open)
    if (connection) connection->close();
}

}  // namespace pannier::net
