ALTER TABLE account ADD KEY expiring (state, created_at);

-- A link carries the login of the account as it was when it was made, which may have changed since.
ALTER TABLE link ADD COLUMN login VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '';

-- What can't be sent is given up some days after it was noted.
ALTER TABLE outbox ADD COLUMN noted_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3);

-- What others may see, and how one wants to be told. `held`: out of search until the staff has looked.
ALTER TABLE profile
    ADD COLUMN show_online TINYINT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN show_distance TINYINT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN read_receipts TINYINT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN mail_on TINYINT UNSIGNED NOT NULL DEFAULT 1,
    ADD COLUMN held TINYINT UNSIGNED NOT NULL DEFAULT 0,
    ADD COLUMN place_id INT UNSIGNED NULL,
    ADD COLUMN active_at DATETIME(3) NULL;

ALTER TABLE pair
    ADD COLUMN low_passed_at DATETIME(3) NULL,
    ADD COLUMN high_passed_at DATETIME(3) NULL,
    ADD KEY low_liked_by (low_id, connected, high_liked_at, high_id),
    ADD KEY high_liked_by (high_id, connected, low_liked_at, low_id);

-- Counts what left the sight of a user without a push: with `last_seq` it tells whether what was counted still holds.
ALTER TABLE user_stream ADD COLUMN sight_epoch INT UNSIGNED NOT NULL DEFAULT 0;

-- The black list as its owner sees it: with the login that somebody had then. The pair row holds what counts.
CREATE TABLE IF NOT EXISTS block (
    user_id BIGINT UNSIGNED NOT NULL,
    other_id BIGINT UNSIGNED NOT NULL,
    login VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    blocked_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, other_id),
    KEY newest (user_id, blocked_at, other_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Who visited whom last; `user_id` is the one who was visited.
CREATE TABLE IF NOT EXISTS visit (
    user_id BIGINT UNSIGNED NOT NULL,
    visitor_id BIGINT UNSIGNED NOT NULL,
    visited_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, visitor_id),
    KEY newest (user_id, visited_at, visitor_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

CREATE TABLE IF NOT EXISTS nudge (
    user_id BIGINT UNSIGNED NOT NULL,
    receiver_id BIGINT UNSIGNED NOT NULL,
    random_id INT NOT NULL,
    sent_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, receiver_id, random_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Complaints about `user_id`; a further comment of the same person is a further row, the same again (`id` stands for
-- reason and comment) is none. `aged`: the reporter's account was not new. `judged`: the staff has looked since.
CREATE TABLE IF NOT EXISTS report (
    user_id BIGINT UNSIGNED NOT NULL,
    reporter_id BIGINT UNSIGNED NOT NULL,
    id BIGINT UNSIGNED NOT NULL,
    reason TINYINT UNSIGNED NOT NULL,
    comment TEXT NULL,
    reported_at DATETIME(3) NOT NULL,
    aged TINYINT UNSIGNED NOT NULL,
    judged TINYINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, reporter_id, id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- One row for a kind and a person; it is updated while it is unread. `seq` is the newest push that told of it.
CREATE TABLE IF NOT EXISTS notification (
    user_id BIGINT UNSIGNED NOT NULL,
    kind TINYINT UNSIGNED NOT NULL,
    other_id BIGINT UNSIGNED NOT NULL,
    count INT UNSIGNED NOT NULL DEFAULT 1,
    seq BIGINT UNSIGNED NOT NULL DEFAULT 0,
    at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    is_read TINYINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, kind, other_id),
    KEY newest (user_id, seq),
    KEY unread (user_id, is_read, other_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- When somebody who is away is to be told by mail that something waits, and when that was done last.
CREATE TABLE IF NOT EXISTS reminder (
    user_id BIGINT UNSIGNED NOT NULL,
    due_at DATETIME(3) NULL,
    mailed_at DATETIME(3) NULL,
    lease BIGINT UNSIGNED NULL,
    PRIMARY KEY (user_id),
    KEY due (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- `file` names the bytes in the data folder; invented people share theirs.
CREATE TABLE IF NOT EXISTS photo (
    user_id BIGINT UNSIGNED NOT NULL,
    id CHAR(22) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    position TINYINT UNSIGNED NOT NULL,
    file VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    thumbhash VARBINARY(32) NOT NULL,
    added_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, id),
    KEY file (file)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What a photo looks like, in four parts of 16 bits: two that are alike share at least one.
CREATE TABLE IF NOT EXISTS photo_look (
    part TINYINT UNSIGNED NOT NULL,
    value SMALLINT UNSIGNED NOT NULL,
    user_id BIGINT UNSIGNED NOT NULL,
    photo_id CHAR(22) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    look BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (part, value, user_id, photo_id),
    KEY photo (user_id, photo_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Files that go unless a photo names them: written before a file is, deleted with the commit that names it.
CREATE TABLE IF NOT EXISTS photo_trash (
    file VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    due_at DATETIME(3) NOT NULL,
    PRIMARY KEY (file),
    KEY due (due_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What waits for the staff: reports of many, photos like another member's.
CREATE TABLE IF NOT EXISTS moderation_case (
    user_id BIGINT UNSIGNED NOT NULL,
    reason TINYINT UNSIGNED NOT NULL,
    about VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    opened_at DATETIME(3) NOT NULL,
    PRIMARY KEY (user_id, reason, about)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Towns of the world, loaded once; the same for everybody, so copies may stand on every machine.
CREATE TABLE IF NOT EXISTS town (
    id INT UNSIGNED NOT NULL,
    name VARCHAR(200) NOT NULL,
    country CHAR(2) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    population INT UNSIGNED NOT NULL,
    lat DOUBLE NOT NULL,
    lon DOUBLE NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- What people call them, folded, to be found by the beginning.
CREATE TABLE IF NOT EXISTS town_name (
    name VARCHAR(64) NOT NULL,
    town_id INT UNSIGNED NOT NULL,
    population INT UNSIGNED NOT NULL,
    PRIMARY KEY (name, town_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Which edition of the towns stands in these two tables; written with them, and the lock of who writes them.
CREATE TABLE IF NOT EXISTS town_edition (
    id TINYINT UNSIGNED NOT NULL,
    edition VARCHAR(64) NOT NULL,
    PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
