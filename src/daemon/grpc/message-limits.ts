/** Of a message at most, both ways: containerd's limit for proxy plugins (defaults.DefaultMaxRecvMsgSize). */
const BYTES = 16 << 20;

export const MESSAGE_LIMITS = {
  'grpc.max_receive_message_length': BYTES,
  'grpc.max_send_message_length': BYTES,
};
