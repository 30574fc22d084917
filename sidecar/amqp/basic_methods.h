// The methods of AMQP 0-9-1's classes basic, confirm and tx, with RabbitMQ's extensions: their
// fields in the order of the wire, as the specification's XML lists them. Each struct is both
// decoded and encoded by its one list.
#pragma once

#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

struct BasicQos {
  static constexpr MethodId kId{60, 10};
  std::uint32_t prefetch_size = 0;
  std::uint16_t prefetch_count = 0;
  bool global = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.prefetch_size);
    visit(self.prefetch_count);
    visit(self.global);
  }
};

struct BasicQosOk : NoFields {
  static constexpr MethodId kId{60, 11};
};

struct BasicConsume {
  static constexpr MethodId kId{60, 20};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  std::string consumer_tag;
  bool no_local = false;
  bool no_ack = false;
  bool exclusive = false;
  bool no_wait = false;
  queue::Table arguments;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.consumer_tag);
    visit(self.no_local);
    visit(self.no_ack);
    visit(self.exclusive);
    visit(self.no_wait);
    visit(self.arguments);
  }
};

struct BasicConsumeOk {
  static constexpr MethodId kId{60, 21};
  std::string consumer_tag;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.consumer_tag);
  }
};

struct BasicCancel {
  static constexpr MethodId kId{60, 30};
  std::string consumer_tag;
  bool no_wait = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.consumer_tag);
    visit(self.no_wait);
  }
};

struct BasicCancelOk : BasicConsumeOk {
  static constexpr MethodId kId{60, 31};
};

struct BasicPublish {
  static constexpr MethodId kId{60, 40};
  std::uint16_t reserved_1 = 0;
  std::string exchange;
  std::string routing_key;
  bool mandatory = false;
  bool immediate = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.mandatory);
    visit(self.immediate);
  }
};

struct BasicReturn {
  static constexpr MethodId kId{60, 50};
  std::uint16_t reply_code = 0;
  std::string reply_text;
  std::string exchange;
  std::string routing_key;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reply_code);
    visit(self.reply_text);
    visit(self.exchange);
    visit(self.routing_key);
  }
};

struct BasicDeliver {
  static constexpr MethodId kId{60, 60};
  std::string consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange;
  std::string routing_key;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.consumer_tag);
    visit(self.delivery_tag);
    visit(self.redelivered);
    visit(self.exchange);
    visit(self.routing_key);
  }
};

struct BasicGet {
  static constexpr MethodId kId{60, 70};
  std::uint16_t reserved_1 = 0;
  std::string queue;
  bool no_ack = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
    visit(self.queue);
    visit(self.no_ack);
  }
};

struct BasicGetOk {
  static constexpr MethodId kId{60, 71};
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string exchange;
  std::string routing_key;
  std::uint32_t message_count = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.delivery_tag);
    visit(self.redelivered);
    visit(self.exchange);
    visit(self.routing_key);
    visit(self.message_count);
  }
};

struct BasicGetEmpty {
  static constexpr MethodId kId{60, 72};
  std::string reserved_1;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
  }
};

struct BasicAck {
  static constexpr MethodId kId{60, 80};
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.delivery_tag);
    visit(self.multiple);
  }
};

struct BasicReject {
  static constexpr MethodId kId{60, 90};
  std::uint64_t delivery_tag = 0;
  bool requeue = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.delivery_tag);
    visit(self.requeue);
  }
};

struct BasicRecoverAsync {
  static constexpr MethodId kId{60, 100};
  bool requeue = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.requeue);
  }
};

struct BasicRecover : BasicRecoverAsync {
  static constexpr MethodId kId{60, 110};
};

struct BasicRecoverOk : NoFields {
  static constexpr MethodId kId{60, 111};
};

struct BasicNack {
  static constexpr MethodId kId{60, 120};
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
  bool requeue = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.delivery_tag);
    visit(self.multiple);
    visit(self.requeue);
  }
};

struct ConfirmSelect {
  static constexpr MethodId kId{85, 10};
  bool no_wait = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.no_wait);
  }
};

struct ConfirmSelectOk : NoFields {
  static constexpr MethodId kId{85, 11};
};

struct TxSelect : NoFields {
  static constexpr MethodId kId{90, 10};
};

struct TxSelectOk : NoFields {
  static constexpr MethodId kId{90, 11};
};

struct TxCommit : NoFields {
  static constexpr MethodId kId{90, 20};
};

struct TxCommitOk : NoFields {
  static constexpr MethodId kId{90, 21};
};

struct TxRollback : NoFields {
  static constexpr MethodId kId{90, 30};
};

struct TxRollbackOk : NoFields {
  static constexpr MethodId kId{90, 31};
};

}  // namespace pannier::amqp
