-- Every key begins with the owner of the row, nothing refers across owners: the tables can be spread over machines.

CREATE TABLE IF NOT EXISTS account (
    id BIGINT UNSIGNED NOT NULL,
    login VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    mail VARCHAR(254) NULL,
    mail_key VARCHAR(254) NULL,
    password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    state TINYINT UNSIGNED NOT NULL,
    language CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY login (login),
    UNIQUE KEY mail_key (mail_key)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS profile (
    user_id BIGINT UNSIGNED NOT NULL,
    found TINYINT UNSIGNED NOT NULL DEFAULT 0,
    first_name VARCHAR(64) NOT NULL,
    last_name VARCHAR(64) NOT NULL,
    gender TINYINT UNSIGNED NOT NULL DEFAULT 0,
    sex TINYINT UNSIGNED NOT NULL DEFAULT 0,
    birth_date DATE NULL,
    birth_date_approximate TINYINT UNSIGNED NOT NULL DEFAULT 0,
    description TEXT NULL,
    wish_age_min TINYINT UNSIGNED NULL,
    wish_age_max TINYINT UNSIGNED NULL,
    wish_distance_max SMALLINT UNSIGNED NULL,
    cell BIGINT UNSIGNED NULL,
    x DOUBLE NULL,
    y DOUBLE NULL,
    z DOUBLE NULL,
    fame TINYINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id),
    KEY found (found, gender, birth_date, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS profile_tag (
    user_id BIGINT UNSIGNED NOT NULL,
    tag VARCHAR(32) NOT NULL,
    position TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (user_id, tag),
    KEY tag (tag, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS session (
    user_id BIGINT UNSIGNED NOT NULL,
    id CHAR(22) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    started_at DATETIME(3) NOT NULL,
    last_seen_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    ended_at DATETIME(3) NULL,
    agent VARCHAR(200) NOT NULL,
    PRIMARY KEY (user_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Links in mails. Only a hash is kept: a copy of the database opens nothing.
CREATE TABLE IF NOT EXISTS link (
    user_id BIGINT UNSIGNED NOT NULL,
    purpose TINYINT UNSIGNED NOT NULL,
    nonce_hash BINARY(32) NOT NULL,
    mail VARCHAR(254) NULL,
    expires_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, purpose, nonce_hash)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Work that must follow a commit: written with it, done after it.
CREATE TABLE IF NOT EXISTS outbox (
    id BIGINT UNSIGNED NOT NULL,
    template VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    address VARCHAR(254) NOT NULL,
    language CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    params TEXT NOT NULL,
    attempts INT UNSIGNED NOT NULL DEFAULT 0,
    due_at DATETIME(3) NOT NULL,
    lease BIGINT UNSIGNED NULL,
    PRIMARY KEY (id),
    KEY due (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Counters of daily limits; target_id 0 counts for all.
CREATE TABLE IF NOT EXISTS quota (
    user_id BIGINT UNSIGNED NOT NULL,
    day DATE NOT NULL,
    kind TINYINT UNSIGNED NOT NULL,
    target_id BIGINT UNSIGNED NOT NULL,
    used INT UNSIGNED NOT NULL,
    PRIMARY KEY (user_id, day, kind, target_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Two people: the lock on what is between them, and its state. `low` is the one with the lower id.
CREATE TABLE IF NOT EXISTS pair (
    low_id BIGINT UNSIGNED NOT NULL,
    high_id BIGINT UNSIGNED NOT NULL,
    connected TINYINT UNSIGNED NOT NULL DEFAULT 0,
    connected_at DATETIME(3) NULL,
    active_at DATETIME(3) NULL,
    last_seq INT UNSIGNED NOT NULL DEFAULT 0,
    low_liked_at DATETIME(3) NULL,
    low_requested TINYINT UNSIGNED NOT NULL DEFAULT 0,
    low_muted TINYINT UNSIGNED NOT NULL DEFAULT 0,
    low_blocked_at DATETIME(3) NULL,
    low_read_seq INT UNSIGNED NOT NULL DEFAULT 0,
    low_unread INT UNSIGNED NOT NULL DEFAULT 0,
    low_unanswered INT UNSIGNED NOT NULL DEFAULT 0,
    high_liked_at DATETIME(3) NULL,
    high_requested TINYINT UNSIGNED NOT NULL DEFAULT 0,
    high_muted TINYINT UNSIGNED NOT NULL DEFAULT 0,
    high_blocked_at DATETIME(3) NULL,
    high_read_seq INT UNSIGNED NOT NULL DEFAULT 0,
    high_unread INT UNSIGNED NOT NULL DEFAULT 0,
    high_unanswered INT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (low_id, high_id),
    KEY low_connected (low_id, connected, active_at, high_id),
    KEY high_connected (high_id, connected, active_at, low_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS message (
    low_id BIGINT UNSIGNED NOT NULL,
    high_id BIGINT UNSIGNED NOT NULL,
    seq INT UNSIGNED NOT NULL,
    sender_id BIGINT UNSIGNED NOT NULL,
    random_id INT NOT NULL,
    body TEXT NOT NULL,
    sent_at DATETIME(3) NOT NULL,
    PRIMARY KEY (low_id, high_id, seq),
    UNIQUE KEY random_id (low_id, high_id, sender_id, random_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- The log of what a user is told. `last_seq` is the newest, `purged_seq` the newest that is no longer kept,
-- `auth_epoch` counts what may have ended sessions.
CREATE TABLE IF NOT EXISTS user_stream (
    user_id BIGINT UNSIGNED NOT NULL,
    last_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
    purged_seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
    auth_epoch INT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS user_event (
    user_id BIGINT UNSIGNED NOT NULL,
    seq BIGINT UNSIGNED NOT NULL,
    kind TINYINT UNSIGNED NOT NULL,
    other_id BIGINT UNSIGNED NOT NULL,
    number BIGINT UNSIGNED NOT NULL,
    by_id BIGINT UNSIGNED NOT NULL,
    at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, seq)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
