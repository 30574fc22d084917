// AmqpTest: an agent, one scripted client of it, and the steps that many scripts share.
//
// `peer` is not connected until the test says peer.opens().
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/amqp/amqp_harness.h"

namespace pannier::amqp {

inline QueueDeclare durable_queue(std::string name) {
  QueueDeclare method;
  method.queue = std::move(name);
  method.durable = true;
  return method;
}

inline BasicConsume consume_of(std::string queue, std::string tag = "", bool no_ack = false) {
  BasicConsume method;
  method.queue = std::move(queue);
  method.consumer_tag = std::move(tag);
  method.no_ack = no_ack;
  return method;
}

inline std::string letters(std::size_t size) {
  std::string text(size, 'x');
  for (std::size_t i = 0; i < size; i += 97) text[i] = static_cast<char>('a' + i / 97 % 26);
  return text;
}

class AmqpTest : public testing::Test {
 protected:
  MemoryDisk disk;
  AmqpHarness agent{disk};
  Script peer{agent};

  void declares(const std::string& name) {
    peer.sends(1, durable_queue(name));
    agent.turn();
    EXPECT_EQ(peer.gets<QueueDeclareOk>(1).queue, name);
  }
  void confirms(ChannelId channel = 1) {
    peer.sends(channel, ConfirmSelect{});
    peer.gets<ConfirmSelectOk>(channel);
  }
  void consumes(const std::string& queue, const std::string& tag = "", bool no_ack = false) {
    peer.sends(1, consume_of(queue, tag, no_ack));
    peer.gets<BasicConsumeOk>(1);
  }
  // The next delivery's tag; its body has to be that.
  BasicDeliver gets_delivery(const std::string& body, ChannelId channel = 1) {
    const auto deliver = peer.gets<BasicDeliver>(channel);
    EXPECT_EQ(peer.gets_content(channel).body, body);
    return deliver;
  }
  void expect_channel_error(std::uint16_t code, const std::string& text, ChannelId channel = 1) {
    const auto close = peer.gets<ChannelClose>(channel);
    EXPECT_EQ(close.reply_code, code);
    EXPECT_THAT(close.reply_text, testing::HasSubstr(text));
    EXPECT_FALSE(peer.is_closed());
    peer.sends(channel, ChannelCloseOk{});
    peer.opens_channel(channel);
  }
  void expect_connection_error(std::uint16_t code, const std::string& text = "") {
    const auto close = peer.gets<ConnectionClose>(0);
    EXPECT_EQ(close.reply_code, code);
    EXPECT_THAT(close.reply_text, testing::HasSubstr(text));
    peer.sends(0, ConnectionCloseOk{});
    EXPECT_TRUE(peer.is_closed());
  }
  void says_hello() {
    peer.raw(std::string_view("AMQP\0\0\x09\x01", 8));
    peer.gets<ConnectionStart>(0);
  }
  void logs_in(const std::string& response, const std::string& mechanism = "PLAIN",
               bool wants_to_know = false) {
    ConnectionStartOk ok;
    if (wants_to_know) {
      queue::Table capabilities;
      capabilities.set("authentication_failure_close", true);
      ok.client_properties.set("capabilities", std::move(capabilities));
    }
    ok.mechanism = mechanism;
    ok.response.text = response;
    ok.locale = "en_US";
    peer.sends(0, ok);
  }
  // 0 is as much as the agent allows.
  void opens_with(std::uint16_t channel_max, std::uint32_t frame_max, std::uint16_t heartbeat) {
    says_hello();
    logs_in(std::string("\0guest\0guest", 12));
    peer.gets<ConnectionTune>(0);
    if (channel_max == 0) channel_max = agent.context.limits.channel_max;
    if (frame_max == 0) frame_max = agent.context.limits.frame_max;
    peer.sends(0, ConnectionTuneOk{channel_max, frame_max, heartbeat});
    peer.sends(0, ConnectionOpen{"/", "", false});
    peer.gets<ConnectionOpenOk>(0);
    peer.opens_channel(1);
  }
  // One published message of that body, with turns in between, as its frames would arrive.
  void publishes_large(const std::string& queue, const std::string& body, ChannelId channel = 1,
                       bool mandatory = false) {
    peer.sends(channel, BasicPublish{0, "", queue, mandatory, false});
    sends_header(body.size(), channel);
    for (std::size_t at = 0; at < body.size(); at += 90'000) {
      sends_body(std::string_view(body).substr(at, 90'000), channel);
      agent.turn();
    }
    agent.turn();
  }
  void sends_header(std::uint64_t size, ChannelId channel = 1) {
    Bytes none;
    ByteWriter writer(none);
    queue::Properties().encode(writer);
    net::Output header;
    put_content_header(header, channel, size, none);
    peer.feeds(header);
  }
  void sends_body(std::string_view body, ChannelId channel = 1) {
    net::Output piece;
    put_body(piece, channel, Slice::copy_of(body), 100'000);
    peer.feeds(piece);
  }
  void turns(int count) {
    for (int i = 0; i < count; ++i) {
      agent.turn();
      peer.has_more();
    }
  }
};

}  // namespace pannier::amqp
