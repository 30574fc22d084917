// SessionContext and SessionLink: what the AMQP sessions of an agent share, and what a channel may
// ask of its session.
//
// Both outlive the channels. Loop thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/budget.h"
#include "common/clock.h"
#include "sidecar/amqp/direct_replies.h"
#include "sidecar/amqp/remote_replies.h"
#include "sidecar/amqp/reply.h"
#include "sidecar/amqp/server_channel.h"
#include "sidecar/amqp/wire.h"
#include "sidecar/net/session.h"
#include "sidecar/queue/access.h"
#include "sidecar/queue/registry.h"

namespace pannier::amqp {

using pannier::Budget;
using pannier::Charge;

struct AmqpLimits {
  std::uint32_t frame_max = 131'072;
  std::uint32_t frame_max_unauthenticated = 16'384;
  std::uint16_t channel_max = 2'047;
  std::uint16_t heartbeat_seconds = 60;
  std::uint64_t message_bytes_max = 16u << 20;
  // Larger bodies are journaled in parts of this size; not smaller than a frame.
  std::uint64_t part_bytes = 256u << 10;
  std::size_t unacked_per_channel = 65'535;
  std::uint64_t unacked_bytes_per_channel = 256u << 20;
  std::size_t consumers_per_channel = 4'096;
  // Bodies that have begun and are not complete: announced bytes, of all channels.
  std::uint64_t incomplete_bytes_per_session = 4u << 20;
  std::uint64_t incomplete_bytes = 16u << 20;
  std::size_t unsent_bytes = 1u << 20;      // deliveries stop beyond
  std::size_t unsent_bytes_max = 4u << 20;  // reading stops beyond, held answers included
  std::size_t answers_waiting = 4'096;      // per channel; its next request waits, unread
  // What transactions that have begun hold; one of more than a group of the journal cannot be
  // committed.
  std::uint64_t tx_bytes_per_channel = 3u << 20;
  std::uint64_t tx_bytes = 16u << 20;
  std::size_t reply_bytes_unsent = 8u << 20;  // answers to whoever does not read are lost beyond
  std::chrono::seconds handshake{10};
};

class ServerSession;
class SessionLink;

// Owned by Agent.
class SessionContext {
 public:
  SessionContext(queue::Registry& with_registry, queue::Access& with_access,
                 const Clock& with_clock, const AmqpLimits& with_limits)
      : registry(with_registry),
        access(with_access),
        clock(with_clock),
        limits(with_limits),
        incomplete(with_limits.incomplete_bytes),
        transactions(with_limits.tx_bytes) {}
  SessionContext(const SessionContext&) = delete;
  SessionContext& operator=(const SessionContext&) = delete;

  queue::Registry& registry;
  queue::Access& access;
  const Clock& clock;
  AmqpLimits limits;
  Budget incomplete;
  Budget transactions;
  DirectReplies replies;
  RemoteReplies* remote_replies = nullptr;  // null: there are no other agents
  std::string product_version = "0";
  std::string vhost = "/";
  std::string vhost_alias;  // the namespace's name
  // The channels of other agents' connections; null: none of that number. Nothing else can be done
  // on such a connection, and without a factory nothing at all.
  std::function<std::unique_ptr<ServerChannel>(ChannelId, SessionLink&)> make_link_channel;
  std::string link_codecs;         // and how it unfolds bodies, as "pannier-codecs"
  std::uint32_t link_version = 0;  // shown to whoever has a certificate, as "pannier-links"

  // A commit is synced: sessions that wait for one are told.
  void on_synced(queue::Commit synced);
  // The spool has room again: publishes that were held up go on.
  void on_room();
  // Publishers are told by connection.blocked, with the reason, and unblocked by nothing.
  void set_blocked(std::optional<std::string> reason);
  const std::optional<std::string>& blocked() const { return blocked_; }
  // connection.close with CONNECTION_FORCED for everybody; and for all but other agents.
  void close_all(std::string_view reason);
  void close_apps(std::string_view reason);

  const std::set<ServerSession*>& sessions() const { return sessions_; }
  queue::OwnerId add(ServerSession& session);
  void remove(ServerSession& session);
  void await_sync(ServerSession& session) { awaiting_sync_.insert(&session); }
  void await_room(ServerSession& session) { awaiting_room_.insert(&session); }

 private:
  std::set<ServerSession*> sessions_;
  std::set<ServerSession*> awaiting_sync_;
  std::set<ServerSession*> awaiting_room_;
  std::optional<std::string> blocked_;
  queue::OwnerId last_owner_ = 0;
};

class SessionLink {
 public:
  virtual ~SessionLink() = default;
  virtual net::Output& session_output() = 0;
  virtual void session_rings() = 0;
  virtual void await_sync() = 0;
  virtual void await_room() = 0;  // of the spool; then as with a sync
  virtual const queue::Principal& principal() const = 0;
  virtual const std::string& login() const = 0;  // the name that the client has given
  virtual queue::OwnerId owner() const = 0;
  virtual std::uint32_t frame_max() const = 0;
  virtual Budget& incomplete() = 0;
  virtual bool wants_cancel_notify() const = 0;
  virtual std::string_view peer_codecs() const = 0;  // what the other side says of itself there
  virtual bool is_overfull() const = 0;              // too much unsent output
  virtual std::size_t unsent_bytes() const = 0;
  // What waited behind an answer may go on.
  virtual void go_on() = 0;
  virtual void note_streaming(const ServerChannel& channel, bool is_streaming) = 0;
  // Of a channel that is closed already: nothing of its content is left to send. It is gone when
  // this returns.
  virtual void content_ended(ChannelId channel) = 0;
  virtual void close_channel(ChannelId channel, const Reply& reply, MethodId cause) = 0;
  virtual void end_session(const Reply& reply) = 0;  // the channel is gone when this returns
};

}  // namespace pannier::amqp
