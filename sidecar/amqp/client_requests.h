// What a client may ask on a channel, and which method answers it (AMQP 0-9-1, 1.4 to 1.8).
//
// Types only.
#pragma once

#include "sidecar/amqp/basic_methods.h"
#include "sidecar/amqp/connection_methods.h"
#include "sidecar/amqp/topology_methods.h"

namespace pannier::amqp {

template <typename Method>
struct AnswerTo;  // Ok: the answering method

template <>
struct AnswerTo<ChannelOpen> {
  using Ok = ChannelOpenOk;
};
template <>
struct AnswerTo<ExchangeDeclare> {
  using Ok = ExchangeDeclareOk;
};
template <>
struct AnswerTo<ExchangeDelete> {
  using Ok = ExchangeDeleteOk;
};
template <>
struct AnswerTo<ExchangeBind> {
  using Ok = ExchangeBindOk;
};
template <>
struct AnswerTo<ExchangeUnbind> {
  using Ok = ExchangeUnbindOk;
};
template <>
struct AnswerTo<QueueDeclare> {
  using Ok = QueueDeclareOk;
};
template <>
struct AnswerTo<QueueBind> {
  using Ok = QueueBindOk;
};
template <>
struct AnswerTo<QueueUnbind> {
  using Ok = QueueUnbindOk;
};
template <>
struct AnswerTo<QueuePurge> {
  using Ok = QueuePurgeOk;
};
template <>
struct AnswerTo<QueueDelete> {
  using Ok = QueueDeleteOk;
};
template <>
struct AnswerTo<BasicQos> {
  using Ok = BasicQosOk;
};
template <>
struct AnswerTo<BasicConsume> {
  using Ok = BasicConsumeOk;
};
template <>
struct AnswerTo<BasicCancel> {
  using Ok = BasicCancelOk;
};
template <>
struct AnswerTo<BasicGet> {
  using Ok = BasicGetOk;  // or BasicGetEmpty
};
template <>
struct AnswerTo<BasicRecover> {
  using Ok = BasicRecoverOk;
};
template <>
struct AnswerTo<ConfirmSelect> {
  using Ok = ConfirmSelectOk;
};

template <typename Method>
concept Request = requires {
  typename AnswerTo<Method>::Ok;
};

template <Request Method>
bool wants_answer(const Method& method) {
  if constexpr (requires { method.no_wait; })
    return !method.no_wait;
  else
    return true;
}

}  // namespace pannier::amqp
