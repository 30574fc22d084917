// The methods of links between agents: a class of our own, 200, on an AMQP 0-9-1 connection over
// mutual TLS (docs/decisions/0009-links.md).
//
// The puller is the agent with consumers; the origin owns the messages. All methods of one link go
// over channel 1 of the connection that the puller has dialled; pushes have channel 2, and answers
// to requests that came over channel 1 go back over channel 3, as basic.publish. Receipts are
// packed: sequence u64 and delivery u64, big-endian, one after the other; sequences alone as u64.
// Times are ages in milliseconds, since clocks differ. Each struct is decoded and encoded by its
// one list of fields.
//
// Pushes (docs/decisions/0011-pushes.md) go over channel 2 of a connection that the pusher has
// dialled: the pusher owns the messages, and the receiver owns what it says that it has taken.
#pragma once

#include "sidecar/amqp/wire.h"

namespace pannier::forward {

inline constexpr std::uint16_t kLinkClass = 200;
inline constexpr std::uint32_t kLinkVersion = 2;  // client and server property "pannier-links"
// Since which version there are LinkFail, and answers.
inline constexpr std::uint32_t kFailuresSince = 2;
inline constexpr std::uint32_t kRepliesSince = 2;
inline constexpr amqp::ChannelId kPullChannel = 1;
inline constexpr amqp::ChannelId kPushChannel = 2;
inline constexpr amqp::ChannelId kReplyChannel = 3;

// Puller: begins to pull a queue, or goes on after a cut; nothing is sent before there is credit.
// `held` are the receipts that it still holds from before.
struct LinkPull {
  static constexpr amqp::MethodId kId{kLinkClass, 10};
  std::string queue;
  std::string uid;  // of the MessageQueue
  amqp::LongString held;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.uid);
    visit(self.held);
  }
};

// Origin: `kept` are those of the held receipts that still stand; the others are somebody else's by
// now.
struct LinkPullOk {
  static constexpr amqp::MethodId kId{kLinkClass, 11};
  std::string queue;
  amqp::LongString kept;
  std::uint64_t ready = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.kept);
    visit(self.ready);
  }
};

// Puller: so many messages in all may be delivered since pull-ok; a lower number takes credit back
// that is not used yet. With `asks`, the origin says how much is ready in any case, once it has
// delivered what it can.
struct LinkCredit {
  static constexpr amqp::MethodId kId{kLinkClass, 20};
  std::string queue;
  std::uint64_t limit = 0;
  bool asks = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.limit);
    visit(self.asks);
  }
};

// Origin: how much is ready there, and how old. At once when there is something after nothing, and
// with changes at most every 100 ms; `limit` is the last credit that it has seen.
struct LinkReady {
  static constexpr amqp::MethodId kId{kLinkClass, 30};
  std::string queue;
  std::uint64_t ready = 0;
  std::uint64_t oldest_age = 0;
  std::uint64_t limit = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.ready);
    visit(self.oldest_age);
    visit(self.limit);
  }
};

// Origin: a message; its content header and body follow, as after basic.deliver.
struct LinkDeliver {
  static constexpr amqp::MethodId kId{kLinkClass, 40};
  std::string queue;
  std::uint64_t sequence = 0;
  std::uint64_t delivery = 0;
  std::uint16_t delivery_count = 0;
  bool redelivered = false;
  std::uint64_t age = 0;  // since it was published
  std::string exchange;
  std::string routing_key;
  amqp::LongString attributes;  // see spool::AttributeTag
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.sequence);
    visit(self.delivery);
    visit(self.delivery_count);
    visit(self.redelivered);
    visit(self.age);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.attributes);
  }
};

// Puller: what has become of messages. `how` is a queue::RemoteOrigin::Settle.
struct LinkSettle {
  static constexpr amqp::MethodId kId{kLinkClass, 50};
  std::string queue;
  std::uint8_t how = 0;
  amqp::LongString receipts;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.how);
    visit(self.receipts);
  }
};

// Puller: a LinkSettle by `failed`, with what the consumer said (queue::RemoteOrigin::Failure).
struct LinkFail {
  static constexpr amqp::MethodId kId{kLinkClass, 52};
  std::string queue;
  bool has_delay = false;
  bool backs_off = false;
  std::uint64_t delay = 0;  // in milliseconds
  std::string reason;
  amqp::LongString receipts;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.has_delay);
    visit(self.backs_off);
    visit(self.delay);
    visit(self.reason);
    visit(self.receipts);
  }
};

// Origin: so many settle methods of this channel, in all, are durable.
struct LinkSettled {
  static constexpr amqp::MethodId kId{kLinkClass, 51};
  std::uint64_t count = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.count);
  }
};

// Puller: no more of this queue. What it holds it still settles.
struct LinkStop {
  static constexpr amqp::MethodId kId{kLinkClass, 60};
  std::string queue;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
  }
};

// Either: the queue cannot be pulled (any more): it is gone, parked, or access was taken away.
struct LinkEnd {
  static constexpr amqp::MethodId kId{kLinkClass, 61};
  std::string queue;
  std::string why;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.why);
  }
};

// Pusher: has messages of a queue to give away. Its spool (16 bytes) and its own number of the
// queue name, with a sequence, a message for good. No message below `floor` will ever come.
struct LinkPush {
  static constexpr amqp::MethodId kId{kLinkClass, 70};
  std::string queue;
  std::string uid;  // of the MessageQueue
  amqp::LongString spool;
  std::uint32_t number = 0;
  std::uint64_t floor = 0;
  bool drains = false;  // it is ending: not a hop
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.uid);
    visit(self.spool);
    visit(self.number);
    visit(self.floor);
    visit(self.drains);
  }
};

// Receiver: so many messages and bytes may be on their way, unanswered; one message in any case.
// LinkEnd instead: it takes none of that queue.
struct LinkPushOk {
  static constexpr amqp::MethodId kId{kLinkClass, 71};
  std::string queue;
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.messages);
    visit(self.bytes);
  }
};

// Pusher: a message; its content header and body follow, as after basic.publish. Hops are among the
// attributes.
struct LinkPut {
  static constexpr amqp::MethodId kId{kLinkClass, 80};
  std::string queue;
  std::uint64_t sequence = 0;
  std::uint16_t delivery_count = 0;
  bool redelivered = false;
  std::uint64_t age = 0;    // since it was published
  std::uint64_t delay = 0;  // until it is due, in milliseconds
  std::uint64_t left = 0;   // until it expires; 0: never
  std::string exchange;
  std::string routing_key;
  amqp::LongString attributes;  // see spool::AttributeTag
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.sequence);
    visit(self.delivery_count);
    visit(self.redelivered);
    visit(self.age);
    visit(self.delay);
    visit(self.left);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.attributes);
  }
};

// Receiver: what has become of puts, in any order.
struct LinkTaken {
  enum class How : std::uint8_t {
    taken,    // safe there, by this put or by an earlier one
    refused,  // not taken: the queue or the spool is full, or there were too many hops
  };
  static constexpr amqp::MethodId kId{kLinkClass, 81};
  std::string queue;
  std::uint8_t how = 0;
  std::string why;  // of a refusal
  amqp::LongString sequences;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.how);
    visit(self.why);
    visit(self.sequences);
  }
};

// Pusher: these are settled durably on its side and never come again; the receiver need not know
// them any more. LinkStop: no more of this queue, nothing of it is on its way.
struct LinkForget {
  static constexpr amqp::MethodId kId{kLinkClass, 82};
  std::string queue;
  amqp::LongString sequences;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.sequences);
  }
};

inline constexpr std::uint8_t kHopsMax = 8;  // a message that has been pushed so often stays

}  // namespace pannier::forward
