// The methods of AMQP 0-9-1's classes exchange and queue, with RabbitMQ's extensions: their fields
// in the order of the wire, as the specification's XML lists them. Each struct is both decoded and
// encoded by its one list.
#pragma once

#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

struct ExchangeDeclare {
  static constexpr MethodId kId{40, 10};
  std::uint16_t reserved_1 = 0;
  std::string exchange;
  std::string type;
  bool passive = false;
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  bool no_wait = false;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.exchange);
    visit(self.type);
    visit(self.passive);
    visit(self.durable);
    visit(self.auto_delete);
    visit(self.internal);
    visit(self.no_wait);
    visit(self.arguments);
  }
};

struct ExchangeDeclareOk : NoFields {
  static constexpr MethodId kId{40, 11};
};

struct ExchangeDelete {
  static constexpr MethodId kId{40, 20};
  std::uint16_t reserved_1 = 0;
  std::string exchange;
  bool if_unused = false;
  bool no_wait = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.exchange);
    visit(self.if_unused);
    visit(self.no_wait);
  }
};

struct ExchangeDeleteOk : NoFields {
  static constexpr MethodId kId{40, 21};
};

struct ExchangeBind {
  static constexpr MethodId kId{40, 30};
  std::uint16_t reserved_1 = 0;
  std::string destination;
  std::string source;
  std::string routing_key;
  bool no_wait = false;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.destination);
    visit(self.source);
    visit(self.routing_key);
    visit(self.no_wait);
    visit(self.arguments);
  }
};

struct ExchangeBindOk : NoFields {
  static constexpr MethodId kId{40, 31};
};

struct ExchangeUnbind : ExchangeBind {
  static constexpr MethodId kId{40, 40};
};

struct ExchangeUnbindOk : NoFields {
  static constexpr MethodId kId{40, 51};
};

struct QueueDeclare {
  static constexpr MethodId kId{50, 10};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  bool passive = false;
  bool durable = false;
  bool exclusive = false;
  bool auto_delete = false;
  bool no_wait = false;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.passive);
    visit(self.durable);
    visit(self.exclusive);
    visit(self.auto_delete);
    visit(self.no_wait);
    visit(self.arguments);
  }
};

struct QueueDeclareOk {
  static constexpr MethodId kId{50, 11};
  std::string queue;
  std::uint32_t message_count = 0;
  std::uint32_t consumer_count = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.queue);
    visit(self.message_count);
    visit(self.consumer_count);
  }
};

struct QueueBind {
  static constexpr MethodId kId{50, 20};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  std::string exchange;
  std::string routing_key;
  bool no_wait = false;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.no_wait);
    visit(self.arguments);
  }
};

struct QueueBindOk : NoFields {
  static constexpr MethodId kId{50, 21};
};

struct QueuePurge {
  static constexpr MethodId kId{50, 30};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  bool no_wait = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.no_wait);
  }
};

struct QueuePurgeOk {
  static constexpr MethodId kId{50, 31};
  std::uint32_t message_count = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.message_count);
  }
};

struct QueueDelete {
  static constexpr MethodId kId{50, 40};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  bool if_unused = false;
  bool if_empty = false;
  bool no_wait = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.if_unused);
    visit(self.if_empty);
    visit(self.no_wait);
  }
};

struct QueueDeleteOk : QueuePurgeOk {
  static constexpr MethodId kId{50, 41};
};

struct QueueUnbind {
  static constexpr MethodId kId{50, 50};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  std::string exchange;
  std::string routing_key;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.arguments);
  }
};

struct QueueUnbindOk : NoFields {
  static constexpr MethodId kId{50, 51};
};

}  // namespace pannier::amqp
