/** Bytes of messages are base64 in JSON. */
declare type Buffer = string;
