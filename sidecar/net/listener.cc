#include "sidecar/net/listener.h"

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <set>

#include "common/log.h"
#include "sidecar/net/connection.h"

namespace pannier::net {
namespace {

using Acceptor = asio::basic_socket_acceptor<asio::ip::tcp, asio::io_context::executor_type>;

constexpr auto kRetryDelay = std::chrono::milliseconds(100);  // out of descriptors

}  // namespace

struct Listener::Impl : std::enable_shared_from_this<Impl> {
  Impl(Loop::Impl& with_loop, ListenerOptions with_options)
      : loop(with_loop), options(std::move(with_options)), retry(with_loop.io) {}

  Result<void> listen(const std::string& address);
  void accept(Acceptor& acceptor);
  void serve(Connection::Socket socket);
  void forget(Connection* connection);

  Loop::Impl& loop;
  ListenerOptions options;
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  asio::steady_timer retry;
  std::set<Connection*> connections;  // each keeps itself
  bool is_stopped = false;
};

Result<void> Listener::Impl::listen(const std::string& address) {
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  if (error) return Error{Errc::bad_config, "'" + address + "' is no IP address to listen on"};
  const asio::ip::tcp::endpoint endpoint(parsed, options.port);
  auto acceptor = std::make_unique<Acceptor>(loop.io);
  acceptor->open(endpoint.protocol(), error);
  if (!error) acceptor->set_option(Acceptor::reuse_address(true), error);
  if (!error && parsed.is_v6()) acceptor->set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor->bind(endpoint, error);
  if (!error) acceptor->listen(1'024, error);
  if (error)
    return Error{Errc::bad_config, "cannot listen on " + address + " port " +
                                       std::to_string(options.port) + ": " + error.message()};
  if (options.port == 0) options.port = acceptor->local_endpoint().port();
  acceptors.push_back(std::move(acceptor));
  accept(*acceptors.back());
  return {};
}

void Listener::Impl::accept(Acceptor& acceptor) {
  acceptor.async_accept([self = shared_from_this(), &acceptor](boost::system::error_code error,
                                                               Connection::Socket socket) {
    if (self->is_stopped) return;
    if (!error) {
      self->serve(std::move(socket));
      self->accept(acceptor);
      return;
    }
    if (error == asio::error::operation_aborted) return;
    static log::RateLimit limit(1);
    log::warn(limit, "cannot accept a connection", {{"error", error.message()}});
    self->retry.expires_after(kRetryDelay);
    self->retry.async_wait([self, &acceptor](boost::system::error_code stopped) {
      if (!stopped && !self->is_stopped) self->accept(acceptor);
    });
  });
}

void Listener::Impl::serve(Connection::Socket socket) {
  if (connections.size() >= options.connections_max) {
    if (options.on_refused) options.on_refused();
    boost::system::error_code error;
    socket.close(error);
    return;
  }
  ConnectionOptions of;
  of.make_session = options.make_session;
  of.limits = options.limits;
  if (options.tls) of.tls = options.tls();
  auto made = std::make_shared<Connection*>(nullptr);
  of.on_closed = [weak = weak_from_this(), made](const Error&) {
    if (const auto self = weak.lock()) self->forget(*made);
  };
  auto connection = std::make_shared<Connection>(loop, std::move(socket), std::move(of));
  *made = connection.get();
  connections.insert(connection.get());
  if (options.on_count) options.on_count(connections.size());
  connection->start();
}

void Listener::Impl::forget(Connection* connection) {
  connections.erase(connection);
  if (options.on_count) options.on_count(connections.size());
}

Result<std::unique_ptr<Listener>> Listener::open(Loop& loop, ListenerOptions options) {
  auto impl = std::make_shared<Impl>(loop.impl(), std::move(options));
  auto listener = std::unique_ptr<Listener>(new Listener(impl));
  for (const std::string& address : impl->options.addresses)
    if (auto listening = impl->listen(address); !listening) return listening.error();
  return listener;
}

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() { stop(); }

std::uint16_t Listener::port() const { return impl_->options.port; }

std::size_t Listener::connections() const { return impl_->connections.size(); }

void Listener::stop() {
  impl_->is_stopped = true;
  impl_->retry.cancel();
  for (const auto& acceptor : impl_->acceptors) {
    boost::system::error_code error;
    acceptor->close(error);
  }
}

void Listener::close_all() {
  for (Connection* connection : std::set<Connection*>(impl_->connections)) connection->close();
}

}  // namespace pannier::net
