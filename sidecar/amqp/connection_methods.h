// The methods of AMQP 0-9-1's classes connection and channel, with RabbitMQ's extensions: their
// fields in the order of the wire, as the specification's XML lists them. Each struct is both
// decoded and encoded by its one list.
#pragma once

#include "sidecar/amqp/wire.h"

namespace pannier::amqp {

struct ConnectionStart {
  static constexpr MethodId kId{10, 10};
  std::uint8_t version_major = 0;
  std::uint8_t version_minor = 0;
  queue::Table server_properties;
  LongString mechanisms;
  LongString locales;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.version_major);
    visit(self.version_minor);
    visit(self.server_properties);
    visit(self.mechanisms);
    visit(self.locales);
  }
};

struct ConnectionStartOk {
  static constexpr MethodId kId{10, 11};
  queue::Table client_properties;
  std::string mechanism;
  LongString response;
  std::string locale;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.client_properties);
    visit(self.mechanism);
    visit(self.response);
    visit(self.locale);
  }
};

struct ConnectionSecure {
  static constexpr MethodId kId{10, 20};
  LongString challenge;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.challenge);
  }
};

struct ConnectionSecureOk {
  static constexpr MethodId kId{10, 21};
  LongString response;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.response);
  }
};

struct ConnectionTune {
  static constexpr MethodId kId{10, 30};
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;
  std::uint16_t heartbeat = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.channel_max);
    visit(self.frame_max);
    visit(self.heartbeat);
  }
};

struct ConnectionTuneOk : ConnectionTune {
  static constexpr MethodId kId{10, 31};
};

struct ConnectionOpen {
  static constexpr MethodId kId{10, 40};
  std::string virtual_host;
  std::string reserved_1;
  bool reserved_2 = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.virtual_host);
    visit(self.reserved_1);
    visit(self.reserved_2);
  }
};

struct ConnectionOpenOk {
  static constexpr MethodId kId{10, 41};
  std::string reserved_1;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
  }
};

struct ConnectionClose {
  static constexpr MethodId kId{10, 50};
  std::uint16_t reply_code = 0;
  std::string reply_text;
  std::uint16_t class_id = 0;
  std::uint16_t method_id = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reply_code);
    visit(self.reply_text);
    visit(self.class_id);
    visit(self.method_id);
  }
};

struct ConnectionCloseOk : NoFields {
  static constexpr MethodId kId{10, 51};
};

struct ConnectionBlocked {
  static constexpr MethodId kId{10, 60};
  std::string reason;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reason);
  }
};

struct ConnectionUnblocked : NoFields {
  static constexpr MethodId kId{10, 61};
};

struct ConnectionUpdateSecret {
  static constexpr MethodId kId{10, 70};
  LongString new_secret;
  std::string reason;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.new_secret);
    visit(self.reason);
  }
};

struct ConnectionUpdateSecretOk : NoFields {
  static constexpr MethodId kId{10, 71};
};

struct ChannelOpen {
  static constexpr MethodId kId{20, 10};
  std::string reserved_1;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
  }
};

struct ChannelOpenOk {
  static constexpr MethodId kId{20, 11};
  LongString reserved_1;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.reserved_1);
  }
};

struct ChannelFlow {
  static constexpr MethodId kId{20, 20};
  bool active = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.active);
  }
};

struct ChannelFlowOk : ChannelFlow {
  static constexpr MethodId kId{20, 21};
};

struct ChannelClose : ConnectionClose {
  static constexpr MethodId kId{20, 40};
};

struct ChannelCloseOk : NoFields {
  static constexpr MethodId kId{20, 41};
};

// Of AMQP 0-8: clients of that age still ask.
struct AccessRequest {
  static constexpr MethodId kId{30, 10};
  std::string realm;
  bool exclusive = false;
  bool passive = false;
  bool active = false;
  bool write = false;
  bool read = false;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.realm);
    visit(self.exclusive);
    visit(self.passive);
    visit(self.active);
    visit(self.write);
    visit(self.read);
  }
};

struct AccessRequestOk {
  static constexpr MethodId kId{30, 11};
  std::uint16_t ticket = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit(self.ticket);
  }
};

}  // namespace pannier::amqp
