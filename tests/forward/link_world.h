// Node and WorldDialer: agents on memory disks that have real links to each other, over pipes that
// carry bytes in chunks of random sizes.
//
// Turned by hand. Pullers and pushers go before any node: their connections end in other nodes'
// sessions.
#pragma once

#include "sidecar/forward/link_channel.h"
#include "sidecar/forward/pusher.h"
#include "tests/amqp/amqp_harness.h"
#include "tests/forward/pull_harness.h"

namespace pannier::forward {
struct Node;

// Dials the other agents of the test: a client session here, a server session there, and bytes in
// chunks of random sizes between them.
class WorldDialer final : public LinkDialer {
 public:
  class Connection;
  WorldDialer(std::string pod, Random& random) : pod_(std::move(pod)), random_(random) {}

  std::unique_ptr<net::Dialled> dial(const LinkTarget& target, MakeSession make,
                                     OnClosed on_closed) override;
  bool run_once();
  void cut_all();
  void cut(const Node& to);
  void on_time(Clock::time_point now);
  std::map<std::string, Node*> nodes;
  std::uint64_t carried = 0;  // bytes, both ways

 private:
  const std::string pod_;
  Random& random_;
  std::vector<Connection*> connections_;
};

// One agent.
struct Node {
  Node(const std::string& with_pod, Random& random, const amqp::AmqpLimits& limits,
       std::unique_ptr<MemoryDisk> with_disk = std::make_unique<MemoryDisk>())
      : pod(with_pod), disk(std::move(with_disk)), agent(*disk, limits), dialer(with_pod, random) {
    serve_links(agent.context, leases, push_door);
    PullerOptions options;
    options.pod_uid = pod;
    options.random = [] { return 0.5; };
    puller = std::make_unique<Puller>(*agent.registry, dialer, agent.clock, options);
    agent.context.remote_replies = puller.get();
  }
  ~Node() { orders.reset(); }
  void add_pusher() {
    PusherOptions options;
    options.pod_uid = pod;
    options.random = [] { return 0.5; };
    pusher = std::make_unique<Pusher>(*agent.registry, dialer, agent.clock, options);
    agent.on_synced = [this] {
      agent.context.on_synced(agent.spool->synced_commit());
      if (pusher) pusher->on_synced(agent.spool->synced_commit());
    };
  }
  void apply(const Policy& policy) {
    const queue::Applied applied = agent.registry->apply(policy);
    EXPECT_TRUE(applied) << applied.failures[0].error.detail;
    puller->apply(policy);
    if (pusher) pusher->apply(policy);
    leases.on_policy();
    push_door.on_policy();
    orders = agent.find("orders");
  }
  void end_turn() {
    agent.turn();
    if (pusher) {
      pusher->on_turn_end();
      agent.turn();
    }
    if (!puller) return;
    const std::uint64_t demand = orders->demand();  // gets may be answered now
    puller->on_turn_end();
    agent.turn();
    const auto books = puller->books(*orders);
    const std::uint64_t sum = books.outstanding + books.kept;
    if (sum > last_sum) {
      EXPECT_LE(sum, std::max(demand, orders->demand())) << "credit is above the demand";
    }
    last_sum = sum;
    EXPECT_EQ(orders->check(), "");
  }
  void pass(std::chrono::milliseconds time) {
    agent.clock.advance(time);
    const auto now = agent.clock.now();
    agent.registry->on_time(now);
    leases.on_time(now);
    puller->on_time(now);
    if (pusher) pusher->on_time(now);
    for (amqp::ServerSession* session : std::set(agent.context.sessions()))
      if (agent.context.sessions().contains(session)) session->on_time(now);
    dialer.on_time(now);
  }

  const std::string pod;
  std::unique_ptr<MemoryDisk> disk;
  amqp::AmqpHarness agent;
  LinkLeases leases{agent.clock};
  PushDoor push_door;
  WorldDialer dialer;
  queue::QueuePtr orders;
  std::unique_ptr<Puller> puller;
  std::unique_ptr<Pusher> pusher;
  std::vector<std::unique_ptr<Taker>> takers;
  std::uint64_t last_sum = 0;
};

class WorldDialer::Connection final : public net::Dialled {
 public:
  Connection(WorldDialer& dialer, Node* to, MakeSession make, OnClosed on_closed)
      : dialer_(dialer), to_(to), make_(std::move(make)), on_closed_(std::move(on_closed)) {
    dialer_.connections_.push_back(this);
  }
  ~Connection() override {
    close();
    std::erase(dialer_.connections_, this);
  }
  void close() override {
    on_closed_ = {};
    drop();
  }
  bool goes_to(const Node& node) const { return to_ == &node; }
  void fail(const char* why) {
    const auto told = std::exchange(on_closed_, {});
    drop();
    if (told) told(Error{Errc::closed, why});
  }
  void on_time(Clock::time_point now) {
    if (client_ && client_->deadline().value_or(Clock::time_point::max()) <= now)
      client_->on_time(now);
  }
  bool run_once() {
    if (is_over_) return false;
    if (!client_) return begin();
    const bool moved = carry(*client_, *server_, to_server_);
    const bool moved_back = carry(*server_, *client_, to_client_);
    const bool is_ended = (client_->wants_close() && to_server_.empty()) ||
                          (server_->wants_close() && to_client_.empty());
    if (is_ended) fail("a session has ended");
    return moved || moved_back || is_ended;
  }

 private:
  bool begin() {
    if (to_ == nullptr) return fail("nobody is there"), true;
    client_ = make_();
    if (!client_) return fail("not wanted"), true;
    server_ = std::make_unique<amqp::ServerSession>(
        to_->agent.context, net::PeerInfo{"peer", true, false, dialer_.pod_});
    return true;
  }
  bool carry(net::Session& from, net::Session& to, Bytes& held) {
    const Bytes fresh = amqp::bytes_of(from.output());
    from.output().clear();
    held.insert(held.end(), fresh.begin(), fresh.end());
    const std::size_t most = dialer_.random_.below(8) == 0 ? 3 : 65'536;
    const std::size_t size = std::min<std::size_t>(1 + dialer_.random_.below(most), held.size());
    const bool moves = size > 0 && to.wants_bytes();
    if (moves) {
      static_cast<void>(to.on_bytes(ByteView(held).first(size)));
      dialer_.carried += size;
      held.erase(held.begin(), held.begin() + static_cast<std::ptrdiff_t>(size));
    }
    from.on_sent(held.size());
    return moves || !fresh.empty();
  }
  void drop() {
    if (std::exchange(is_over_, true) || !client_) return;
    for (net::Session* session : {client_.get(), static_cast<net::Session*>(server_.get())}) {
      session->set_bell({});
      session->on_closed();
    }
    client_.reset();
    server_.reset();
  }

  WorldDialer& dialer_;
  Node* const to_;
  MakeSession make_;
  OnClosed on_closed_;
  std::unique_ptr<net::Session> client_;
  std::unique_ptr<amqp::ServerSession> server_;
  Bytes to_server_;
  Bytes to_client_;
  bool is_over_ = false;
};

inline std::unique_ptr<net::Dialled> WorldDialer::dial(const LinkTarget& target, MakeSession make,
                                                       OnClosed on_closed) {
  return std::make_unique<Connection>(*this, nodes[target.pod_uid], std::move(make),
                                      std::move(on_closed));
}
inline bool WorldDialer::run_once() {
  bool moved = false;
  for (Connection* connection : std::vector(connections_))
    if (std::ranges::find(connections_, connection) != connections_.end())
      moved = connection->run_once() || moved;
  return moved;
}
inline void WorldDialer::cut_all() {
  for (Connection* connection : std::vector(connections_)) connection->fail("it was cut");
}
inline void WorldDialer::cut(const Node& to) {
  for (Connection* connection : std::vector(connections_))
    if (connection->goes_to(to)) connection->fail("it was cut");
}
inline void WorldDialer::on_time(Clock::time_point now) {
  for (Connection* connection : std::vector(connections_)) connection->on_time(now);
}

}  // namespace pannier::forward
