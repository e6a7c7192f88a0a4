// What goes over the wire, typed for socket.io-client:
// const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { transports: ["websocket"] });
// Written by `make generate`, from what the server itself goes by.

/** The place of a push in the log: `seq` is dense from 1 for each person. */
export interface Logged {
  seq: number;
  at: string;
}

/** The id of an account. */
export interface Registered {
  user_id: number;
}

/** Done; there is nothing more to say. */
export type Nothing = Record<never, never>;

/** A photo at 160, 480 and 1080 px (`small`, `medium`, `large`) and its thumbhash. */
export interface Photo {
  photo_id: string;
  url: Record<string, string>;
  hash: string;
}

/** A person in a list, as the caller may see them; `distance` in km, `score` 0–1 and its parts in `why`. */
export interface Card {
  user_id: number;
  login: string;
  first_name: string;
  age: number | null;
  gender: "male" | "female" | "nonbinary" | null;
  photo: Photo | null;
  place: string | null;
  /** the upper edge of the step, in km */
  distance: number | null;
  fame: number;
  common_tags: string[];
  online: boolean | null;
  last_seen: string | null;
  score: number;
  why: Record<string, number>;
}

/** A message; `random_id` only on one's own. */
export interface Message {
  seq: number;
  from_user_id: number;
  message: string;
  sent_at: string;
  random_id?: number;
}

/** Someone the caller is connected with. */
export interface Connection {
  user: Card;
  connected_at: string;
  last_message: Message | null;
  unread: number;
  their_read_seq: number | null;
}

/** A page of connections, last activity first. */
export interface Connections {
  connections: Connection[];
  cursor: string | null;
}

/** Where in the conversation a message stands, and since when. */
export interface Sent {
  seq: number;
  sent_at: string;
}

/** A stretch of a conversation, and how far each side has read. */
export interface History {
  messages: Message[];
  my_read_seq: number;
  their_read_seq: number | null;
}

/** Something that happened, `count` times since it was read last; nobody stands behind a `moderation`. */
export interface Notice {
  seq: number;
  kind: "like" | "request" | "match" | "visit" | "nudge" | "message" | "unlike" | "moderation";
  user: Card | null;
  count: number;
  at: string;
  read: boolean;
}

/** A page of notifications, newest first, and how many are unread in all. */
export interface Notices {
  notifications: Notice[];
  unread: number;
  cursor: string | null;
}

/** How many notifications are still unread. */
export interface UnreadLeft {
  unread: number;
}

/** A town; `country` is its ISO 3166 code of two letters. */
export interface Place {
  place_id: number;
  name: string;
  country: string;
}

/** Towns that begin alike, largest first. */
export interface Places {
  places: Place[];
}

/** Whether somebody is here; null where that is unknown or hidden. `last_seen` is rounded down to 10 minutes. */
export interface Standing {
  online: boolean | null;
  last_seen: string | null;
}

/** How those stand who are watched from now on, by user id. */
export interface Watched {
  presence: Record<string, Standing>;
}

/** One's own profile, as others may come to see it. */
export interface OwnProfile {
  user_id: number;
  login: string;
  first_name: string;
  last_name: string;
  age: number | null;
  gender: "male" | "female" | "nonbinary" | null;
  description: string | null;
  sex: ("male" | "female" | "nonbinary")[];
  tags: string[];
  photo: Photo | null;
  photos: Photo[];
  place: string | null;
  fame: number;
}

/** A position in degrees: the centre of the cell that is kept. */
export interface Gps {
  lat: number;
  lon: number;
}

/** Whom a person would like to meet; nobody else sees it. */
export interface Wish {
  age_min: number | null;
  age_max: number | null;
  distance_max: number | null;
}

/** What others may see of one, and how one is told. */
export interface Settings {
  show_online: boolean;
  show_distance: boolean;
  read_receipts: boolean;
  mail_on: boolean;
  language: "en" | "ru" | "fr";
}

/** How much waits to be read. */
export interface Unread {
  messages: number;
  notifications: number;
}

/** One's own profile, what only oneself sees of it, and the newest `cursor` of the log. */
export interface Me extends OwnProfile {
  mail: string | null;
  birth_date: string | null;
  gps: Gps | null;
  wish: Wish | null;
  settings: Settings;
  unread: Unread;
  cursor: number;
}

/** A person's page, as the caller may see it. */
export interface Profile extends Card {
  last_name: string;
  description: string | null;
  sex: ("male" | "female" | "nonbinary")[];
  tags: string[];
  photos: Photo[];
  liked_me: boolean;
  liked: boolean;
  requested_me: boolean;
  requested: boolean;
  connected: boolean;
}

/** The like is noted; `connected` when it was mutual. */
export interface Liked {
  liked: boolean;
  connected: boolean;
}

/** The request is noted: `requested`, or `connected` when it was mutual. */
export interface Requested {
  state: "requested" | "connected";
}

/** Someone who likes the caller; `kind` is `like` or `request`. */
export interface Like {
  user: Card;
  kind: "like" | "request";
  liked_at: string;
}

/** A page of people who like the caller and are not connected, newest first. */
export interface Likes {
  likes: Like[];
  cursor: string | null;
}

/** Someone on the caller's black list, with the login of then. */
export interface Block {
  user_id: number;
  login: string;
  blocked_at: string;
}

/** A page of the caller's black list, newest first. */
export interface Blocks {
  blocks: Block[];
  cursor: string | null;
}

/** How many people are left after a filter, rounded to 10. */
export interface FunnelStep {
  filter: string;
  left: number;
}

/** A page of people; `partial` when the server had to stop searching early; `loosen`: the filter that costs most. */
export interface Page {
  users: Card[];
  cursor: string | null;
  /** the upper edge of the step, in km */
  distance_max: number | null;
  partial?: boolean;
  funnel?: FunnelStep[];
  loosen?: FunnelStep;
}

/** A new session: its `token`, until when, and where the log of pushes stands. */
export interface LoggedIn {
  token: string;
  user_id: number;
  expires_at: string;
  cursor: number;
}

/** One of one's sessions; `current` is the one that asks. */
export interface SessionLine {
  session_id: string;
  started_at: string;
  last_seen: string;
  agent: string;
  current: boolean;
}

/** One's live sessions, newest first. */
export interface SessionList {
  sessions: SessionLine[];
}

/** A push as the log keeps it. */
export interface LoggedPush {
  event: string;
  data: Record<string, unknown>;
}

/** What came after a cursor; `resync` when that is too long ago and the state must be read anew. */
export interface SyncPage {
  events?: LoggedPush[];
  cursor: number;
  more?: boolean;
  resync?: boolean;
}

/** A tag and how many use it. */
export interface TagCount {
  tag: string;
  count: number;
}

/** Tags that begin alike, most used first. */
export interface TagCounts {
  tags: TagCount[];
}

/** Someone who looked at the caller's profile, and when last. */
export interface Visit {
  user: Card;
  visited_at: string;
}

/** A page of the caller's visitors, newest first. */
export interface Visits {
  visits: Visit[];
  cursor: string | null;
}

/** A message in the conversation with `user_id`, theirs or one's own; to all sockets of both. */
export interface MessageNew {
  user_id: number;
  message: Message;
}

/** `by` has read the conversation with `user_id` up to `read_seq`; to both, if the reader lets others know. */
export interface MessageRead {
  user_id: number;
  by: number;
  read_seq: number;
}

/** The other person is writing. */
export interface MessageTyping {
  user_id: number;
}

/** Something happened, `count` times since it was read last; nobody stands behind a `moderation`. */
export interface Notification {
  kind: "like" | "request" | "match" | "visit" | "nudge" | "message" | "unlike" | "moderation";
  user: Card | null;
  count: number;
}

/** Notifications up to `up_to` were read; to one's own sockets. */
export interface NotificationsRead {
  up_to: number;
  unread: number;
}

/** A connection began (`connected`, with the person's card) or ended (`closed`); to both. */
export interface ConnectionChanged {
  user_id: number;
  state: "connected" | "closed";
  user?: Card;
}

/** How one stands to somebody has changed, by one's own acts; to one's own sockets. */
export interface RelationChanged {
  user_id: number;
  liked: boolean;
  passed: boolean;
  blocked: boolean;
}

/** One's own profile, as it is now; to one's own sockets. */
export type ProfileChanged = OwnProfile;

/** One's own settings, as they are now; to one's own sockets. */
export type SettingsChanged = Settings;

/** A watched person came or went; null where they hide it. */
export interface Presence extends Standing {
  user_id: number;
}

/** What was here may no longer be seen. */
export type Void = Record<never, never>;

/** The server is about to close this socket; come back after `retry_after` seconds, unless the session ended. */
export interface Goodbye {
  reason: "session_ended" | "draining" | "slow" | "too_many_sockets" | "idle";
  retry_after: number | null;
}

/** The closed list of errors, and what each carries beside its name and its message. */
export interface Errors {
  /** Fields are missing, unknown, of the wrong type or out of range; `fields` says which. */
  invalid_payload: { code: 400; details: { fields: Record<string, { code: string; message: string; params: Record<string, unknown> }> } };
  /** No event has this name. */
  unknown_event: { code: 400; details: Record<never, never> };
  /** There is nobody there whom the caller may see. */
  not_found: { code: 400; details: Record<never, never> };
  /** The login is taken, or the random_id was used for another text. */
  already_exists: { code: 400; details: Record<never, never> };
  /** The two people are not connected. */
  not_connected: { code: 400; details: Record<never, never> };
  /** This needs a photo of one's own first. */
  photo_required: { code: 400; details: Record<never, never> };
  /** The bytes are not an image that can be taken. */
  invalid_image: { code: 400; details: Record<never, never> };
  /** The link was used, replaced or has expired. */
  invalid_link: { code: 400; details: Record<never, never> };
  /** Login or password is wrong. */
  invalid_credentials: { code: 400; details: Record<never, never> };
  /** The mail address has not been confirmed. */
  not_verified: { code: 400; details: Record<never, never> };
  /** The caller may not do this. */
  forbidden: { code: 400; details: Record<never, never> };
  /** Nobody is signed in. */
  unauthorized: { code: 401; details: Record<never, never> };
  /** The token was good once: its session ended or expired. */
  session_ended: { code: 401; details: Record<never, never> };
  /** Too fast; `retry_after` in seconds. */
  rate_limited: { code: 429; details: { retry_after: number } };
  /** Our fault; `error_id` stands in the log too. */
  internal: { code: 500; details: { error_id: string } };
  /** A dependency is down, or the server is draining; `unknown` when a commit's fate is not known. */
  unavailable: { code: 503; details: { retry_after: number; unknown?: true } };
  /** The receiver is on the caller's own black list. */
  blacklisted: { code: 900; details: Record<never, never> };
}

/** The errors that any event may answer. */
export type Always = "invalid_payload" | "unauthorized" | "session_ended" | "rate_limited" | "internal" | "unavailable";

/** Every event: its fields, the data of its answer, and the errors of its own. */
export interface Events {
  /** Make an account, which sleeps until its address is confirmed by the link that is mailed. An address that is taken makes an account that never wakes, and its owner is told: the answer tells nobody whether an address has an account. */
  "user/registr": {
    fields: {
      /** a login that is free; case does not matter */
      login: string;
      mail: string;
      /** a password that is not guessed first; any characters */
      password: string;
      first_name: string;
      last_name: string;
      gender?: "male" | "female" | "nonbinary" | null;
      age?: number | null;
      birth_date?: string | null;
      /** the whole ordered list, the main photo first: a `photo_id` of one's own each, or an image of at most 1 MB */
      image?: (string | Blob | ArrayBuffer | ArrayBufferView)[] | null;
      description?: string | null;
      /** the genders sought; `[]` = all */
      sex?: ("male" | "female" | "nonbinary")[] | null;
      tags?: string[] | null;
      /** A position in degrees, WGS 84. */
      gps?: { lat: number; lon: number } | null;
      /** Whom a person would like to meet; nobody else ever sees it. */
      wish?: { age_min?: number | null; age_max?: number | null; distance_max?: number | null } | null;
      language?: "en" | "ru" | "fr";
    };
    data: Registered;
    errors: "already_exists" | "invalid_image" | "rate_limited" | "unavailable";
  };
  /** Confirm an address by the link that was mailed to it. */
  "user/verification": {
    fields: {
      /** from the link that was mailed */
      ver_id: string;
      /** a login; or a mail address, to sign in */
      login: string;
    };
    data: Registered;
    errors: "invalid_link";
  };
  /** Mail the link that confirms an address again, if it waits for it; who asks is not told. */
  "user/resend_verification": {
    fields: {
      mail: string;
    };
    data: Nothing;
    errors: never;
  };
  /** Return those one is connected with, last activity first. */
  "user/connections": {
    fields: {
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Connections;
    errors: never;
  };
  /** Send a text to a connected person; both are pushed `message/new`. */
  "message/send": {
    fields: {
      /** a person's id */
      target_user_id: number;
      /** any number; the same one again is the same act */
      random_id: number;
      message: string;
    };
    data: Sent;
    errors: "blacklisted" | "not_found" | "not_connected" | "already_exists" | "rate_limited";
  };
  /** Return messages before a number, newest first, or after one, oldest first. */
  "message/history": {
    fields: {
      /** a person's id */
      target_user_id: number;
      /** a number of the log, or of the conversation */
      before?: number;
      /** a number of the log, or of the conversation */
      after?: number;
      /** how many at most */
      limit?: number;
    };
    data: History;
    errors: "not_found" | "not_connected";
  };
  /** Note how far one has read; it never goes back. One's own sockets are pushed `message/read`, and those of the writer too if one lets others know what one has read. */
  "message/read": {
    fields: {
      /** a person's id */
      target_user_id: number;
      /** a number of the log, or of the conversation */
      seq: number;
    };
    data: Nothing;
    errors: "not_found" | "not_connected";
  };
  /** Let a connected person know that one is writing; whether they are there shows nowhere. */
  "message/typing": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: "not_found" | "not_connected";
  };
  /** Let somebody, the receiver `user_id`, know that one thinks of them; a repeat of a random_id does nothing more. */
  "notifications": {
    fields: {
      /** a person's id */
      user_id: number;
      /** any number; the same one again is the same act */
      random_id: number;
    };
    data: Nothing;
    errors: "not_found" | "photo_required" | "rate_limited";
  };
  /** Return what happened to one, newest first; what tells of somebody who is gone is left out. */
  "notifications/list": {
    fields: {
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Notices;
    errors: never;
  };
  /** Mark as read what was told up to this number of the log; one's own sockets are pushed `notifications/read`. */
  "notifications/read": {
    fields: {
      /** a number of the log, or of the conversation */
      seq: number;
    };
    data: UnreadLeft;
    errors: never;
  };
  /** Mail a link that replaces the password, if this address has an account; who asks is not told. */
  "user/forgot_pass": {
    fields: {
      mail: string;
    };
    data: Nothing;
    errors: never;
  };
  /** Set a new password: by a mailed link, which ends all sessions, or by the old one, which spares this session. */
  "user/reset_pass": {
    fields: {
      /** a password that is not guessed first; any characters */
      new_pass: string;
      /** from the link that was mailed */
      reset_id?: string;
      /** the password as it is now */
      old_pass?: string;
    };
    data: Nothing;
    errors: "invalid_link" | "invalid_credentials" | "not_verified" | "forbidden" | "rate_limited" | "unauthorized" | "unavailable";
  };
  /** Return the largest towns with a name that begins so, in Latin or Cyrillic letters, whatever their accents. */
  "places": {
    fields: {
      /** how the name begins */
      prefix: string;
    };
    data: Places;
    errors: never;
  };
  /** Be here for five minutes without a socket, as long as there is one with it, and no longer away. */
  "user/set_online": {
    fields: Record<never, never>;
    data: true;
    errors: "unavailable";
  };
  /** Be away, whatever sockets there are, until `user/set_online` or the next socket. */
  "user/set_offline": {
    fields: Record<never, never>;
    data: true;
    errors: "unavailable";
  };
  /** Return how these people stand; the socket, where there is one, is told of changes until the next call. Of those one is not connected with, who hide, or who can't be seen, nothing is told: null and null. */
  "presence/watch": {
    fields: {
      user_ids: number[];
    };
    data: Watched;
    errors: never;
  };
  /** Return one's own profile, what nobody else sees of it, and where one's log stands. */
  "user/me": {
    fields: Record<never, never>;
    data: Me;
    errors: never;
  };
  /** Change what is given and nothing else. Login and password may stand for a session, or be the current ones beside it. A new login or address needs `old_pass`; a new address counts once it is confirmed. */
  "user/save_profile": {
    fields: {
      first_name?: string;
      last_name?: string;
      gender?: "male" | "female" | "nonbinary" | null;
      age?: number | null;
      birth_date?: string | null;
      /** the whole ordered list, the main photo first: a `photo_id` of one's own each, or an image of at most 1 MB */
      image?: (string | Blob | ArrayBuffer | ArrayBufferView)[] | null;
      description?: string | null;
      /** the genders sought; `[]` = all */
      sex?: ("male" | "female" | "nonbinary")[] | null;
      tags?: string[] | null;
      /** A position in degrees, WGS 84. */
      gps?: { lat: number; lon: number } | null;
      /** Whom a person would like to meet; nobody else ever sees it. */
      wish?: { age_min?: number | null; age_max?: number | null; distance_max?: number | null } | null;
      /** a login; or a mail address, to sign in */
      login?: string;
      /** the password as it is now */
      password?: string;
      /** a login that is free; case does not matter */
      new_login?: string;
      new_mail?: string;
      /** the password as it is now */
      old_pass?: string;
    };
    data: OwnProfile;
    errors: "invalid_credentials" | "invalid_image" | "not_verified" | "forbidden" | "already_exists" | "rate_limited" | "unavailable";
  };
  /** Return somebody's page, and note the visit, once an hour. */
  "profile": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Profile;
    errors: "not_found" | "rate_limited";
  };
  /** Like somebody, quietly. */
  "user/like": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Liked;
    errors: "not_found" | "photo_required" | "rate_limited";
  };
  /** Ask somebody, by login, to be connected. */
  "user/connect": {
    fields: {
      /** a login; or a mail address, to sign in */
      target_id: string;
    };
    data: Requested;
    errors: "not_found" | "photo_required" | "rate_limited";
  };
  /** Take a like back; that ends a connection. Any id will do. */
  "user/unlike": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: never;
  };
  /** End a connection for both; what was written stays readable. Any id will do. */
  "user/disconnect": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: never;
  };
  /** Note that one is not interested: search shows this person no more. */
  "user/pass": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: "not_found";
  };
  /** Undo a pass. Any id will do. */
  "user/unpass": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: never;
  };
  /** Block somebody: to each the other is gone. */
  "user/block": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: "not_found";
  };
  /** Lift a block; nothing comes back by itself. Any id will do. */
  "user/unblock": {
    fields: {
      /** a person's id */
      target_user_id: number;
    };
    data: Nothing;
    errors: never;
  };
  /** Return who likes one and is not connected, newest first. */
  "user/likes": {
    fields: {
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Likes;
    errors: never;
  };
  /** Return one's black list, newest first, also those who are gone since. */
  "user/blocks": {
    fields: {
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Blocks;
    errors: never;
  };
  /** Tell the staff of somebody: 1 fake, 2 spam or scam, 3 harassment, 4 indecent photo, 5 under age, 6 other. Any id will do, and nothing tells whether it is anybody's; the same again is free, another comment is added. */
  "report": {
    fields: {
      /** a person's id */
      target_user_id: number;
      /** 1 fake, 2 spam or scam, 3 harassment, 4 indecent photo, 5 under age, 6 other */
      report_id: number;
      comment?: string;
    };
    data: Nothing;
    errors: "rate_limited";
  };
  /** Return a page of those who are eligible; with `place_id` as if one were there, which counts as a move. `online` finds those who are seen to be here, or, if it is false, seen not to be; who hides it is neither. */
  "research": {
    fields: {
      /** 0 recommended, 1 distance, 2 age, 3 fame, 4 common tags */
      sort_by?: number;
      order?: "asc" | "desc";
      age_min?: number;
      age_max?: number;
      distance_max?: number;
      fame_min?: number;
      fame_max?: number;
      tags?: string[];
      common_tags_min?: number;
      online?: boolean;
      /** a town, from `places` */
      place_id?: number;
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Page;
    errors: "rate_limited" | "invalid_payload" | "unavailable";
  };
  /** Begin a session; an anonymous socket is signed in with it. */
  "user/login": {
    fields: {
      /** a login; or a mail address, to sign in */
      login: string;
      /** the password as it is now */
      password: string;
    };
    data: LoggedIn;
    errors: "invalid_credentials" | "rate_limited" | "unavailable" | "not_verified" | "forbidden";
  };
  /** End this session; or, with login and password, all sessions of the account. */
  "user/logout": {
    fields: {
      /** a login; or a mail address, to sign in */
      login?: string;
      /** the password as it is now */
      password?: string;
    };
    data: Nothing;
    errors: "unauthorized" | "invalid_credentials" | "not_verified" | "forbidden" | "rate_limited" | "unavailable";
  };
  /** Return where one is signed in, newest first, the latest hundred. */
  "user/sessions": {
    fields: Record<never, never>;
    data: SessionList;
    errors: never;
  };
  /** End one of one's own sessions, this one or another. */
  "user/end_session": {
    fields: {
      /** from `user/sessions` */
      session_id: string;
    };
    data: Nothing;
    errors: "not_found";
  };
  /** Change what is given and nothing else, and return all settings. */
  "user/settings": {
    fields: {
      show_online?: boolean;
      show_distance?: boolean;
      read_receipts?: boolean;
      mail_on?: boolean;
      language?: "en" | "ru" | "fr";
    };
    data: Settings;
    errors: never;
  };
  /** Return what came after the cursor, in order; null: only where the log stands; too old or ahead: `resync`. */
  "sync": {
    fields: {
      /** a number of the log, or of the conversation */
      cursor: number | null;
    };
    data: SyncPage;
    errors: never;
  };
  /** Return the tags that begin so, most used first. */
  "tags": {
    fields: {
      /** how the name begins */
      prefix: string;
    };
    data: TagCounts;
    errors: never;
  };
  /** Return who visited one, newest first, each person once. */
  "user/history": {
    fields: {
      /** how many at most */
      limit?: number;
      /** the `cursor` of the page before; good for an hour */
      cursor?: string | null;
    };
    data: Visits;
    errors: never;
  };
}

/** Every push and its data; one of the log has its place there. */
export interface Pushes {
  "message/new": Logged & MessageNew;
  "message/read": Logged & MessageRead;
  "message/typing": MessageTyping;
  "notification": Logged & Notification;
  "notifications/read": Logged & NotificationsRead;
  "connection": Logged & ConnectionChanged;
  "relation/changed": Logged & RelationChanged;
  "profile/changed": Logged & ProfileChanged;
  "settings/changed": Logged & SettingsChanged;
  "presence": Presence;
  "void": Logged & Void;
  "goodbye": Goodbye;
}

/** Says who calls, in any payload, where the socket does not. */
export interface Caller {
  token?: string;
  user_id?: number;
}

export type EventName = keyof Events;
export type ErrorName = keyof Errors;
export type PushName = keyof Pushes;

/** What an event takes. */
export type Fields<E extends EventName> = Events[E]["fields"];

/** What stands in `data` of a success. */
export type Data<E extends EventName> = Events[E]["data"];

/** An error as it is answered. */
export type Refusal<N extends ErrorName = ErrorName> = {
  [K in N]: { code: Errors[K]["code"]; error: { name: K; message: string } & Errors[K]["details"] };
}[N];

export interface Success<T> {
  code: 200;
  data: T;
}

/** What an event is answered: `if (answer.code === 200) answer.data else answer.error.name`. */
export type Answer<E extends EventName> = Success<Data<E>> | Refusal<Events[E]["errors"] | Always>;

type Acknowledge<E extends EventName> = (answer: Answer<E>) => void;
type WithFields<E extends EventName> = [fields: Fields<E> & Caller, acknowledge: Acknowledge<E>];
type Alone<E extends EventName> = [acknowledge: Acknowledge<E>];

/** What a client may emit; events of which no field is needed also without any. */
export type ClientToServerEvents = {
  [E in EventName]: (...given: {} extends Fields<E> ? WithFields<E> | Alone<E> : WithFields<E>) => void;
};

/** What the server pushes. */
export type ServerToClientEvents = {
  [P in PushName]: (data: Pushes[P]) => void;
};
