// log_in_as_agent: what another agent says first on a connection to the peer listener.
//
// For the fixtures of links, pushes and answers. The script is the caller's; on the test's one
// thread.
#pragma once

#include "tests/amqp/amqp_harness.h"

namespace pannier::forward {

// Logged in, without a channel.
inline void log_in_as_agent(amqp::Script& link) {
  link.raw(std::string_view("AMQP\0\0\x09\x01", 8));
  link.gets<amqp::ConnectionStart>(0);
  amqp::ConnectionStartOk ok;
  ok.mechanism = "EXTERNAL";
  ok.locale = "en_US";
  link.sends(0, ok);
  const auto tune = link.gets<amqp::ConnectionTune>(0);
  link.sends(0, amqp::ConnectionTuneOk{tune.channel_max, tune.frame_max, 0});
  link.sends(0, amqp::ConnectionOpen{"/", "", false});
  link.gets<amqp::ConnectionOpenOk>(0);
}

}  // namespace pannier::forward
