-- Those whom search finds, and what it goes by; a copy of what stands elsewhere, made anew with each change of that.
-- `slot`: a number by chance, always the same. `born`: months since year 0. `c1` … `c1024`: cells of so many km around.
-- `taste`, `flavour`: a bit for each tag, which several tags may share: whose bits are not there has not the tag.
-- Who hides where they are, and whose place or birth date is not known, has the greatest number, or 0, there.
CREATE TABLE IF NOT EXISTS candidate (
    user_id BIGINT UNSIGNED NOT NULL,
    slot BIGINT UNSIGNED NOT NULL,
    gender TINYINT UNSIGNED NOT NULL,
    sex TINYINT UNSIGNED NOT NULL,
    born SMALLINT UNSIGNED NOT NULL,
    birth_date DATE NULL,
    fame TINYINT UNSIGNED NOT NULL,
    show_online TINYINT UNSIGNED NOT NULL,
    x DOUBLE NULL,
    y DOUBLE NULL,
    z DOUBLE NULL,
    tags VARCHAR(660) NOT NULL,
    taste BIGINT UNSIGNED NOT NULL,
    flavour BIGINT UNSIGNED NOT NULL,
    c1 INT UNSIGNED NOT NULL,
    c4 INT UNSIGNED NOT NULL,
    c16 INT UNSIGNED NOT NULL,
    c64 INT UNSIGNED NOT NULL,
    c256 INT UNSIGNED NOT NULL,
    c1024 INT UNSIGNED NOT NULL,
    PRIMARY KEY (user_id),
    KEY slot (slot),
    KEY c1 (c1, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY c4 (c4, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY c16 (c16, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY c64 (c64, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY c256 (c256, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY c1024 (c1024, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY born (born, gender, slot, sex, birth_date, fame, x, y, z, taste),
    KEY fame (fame, gender, slot, sex, birth_date, x, y, z, taste),
    KEY everybody (gender, slot, sex, birth_date, fame, x, y, z, taste)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Their tags, to find them by: one by one, and each two of them together.
-- `tags`: CRC32 of the two in the order of the alphabet, with a comma between; of one tag, twice that.
CREATE TABLE IF NOT EXISTS candidate_tag (
    tags INT UNSIGNED NOT NULL,
    gender TINYINT UNSIGNED NOT NULL,
    slot BIGINT UNSIGNED NOT NULL,
    user_id BIGINT UNSIGNED NOT NULL,
    sex TINYINT UNSIGNED NOT NULL,
    taste BIGINT UNSIGNED NOT NULL,
    flavour BIGINT UNSIGNED NOT NULL,
    PRIMARY KEY (tags, gender, slot, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Whose fame is to be reckoned anew, because somebody has come to like them, or no longer does, on that day.
CREATE TABLE IF NOT EXISTS popularity (
    user_id BIGINT UNSIGNED NOT NULL,
    day DATE NOT NULL,
    PRIMARY KEY (user_id, day),
    KEY day (day, user_id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
