-- How many people with active accounts use a tag; written with each change of that. What begins with one letter is too
-- much to sort: `initial` finds it in the order in which it is shown.
-- Databases before MariaDB 10.8 and MySQL 8.0 take no notice of DESC, and sort all the same.
CREATE TABLE IF NOT EXISTS tag_use (
    tag VARCHAR(32) NOT NULL,
    initial VARCHAR(1) NOT NULL,
    people INT NOT NULL,
    PRIMARY KEY (tag),
    KEY initial (initial, people DESC, tag)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

INSERT INTO tag_use (tag, initial, people)
    SELECT t.tag, LEFT(t.tag, 1), COUNT(*) FROM profile_tag t JOIN account a ON a.id = t.user_id
    WHERE a.state = 1 GROUP BY t.tag
    ON DUPLICATE KEY UPDATE people = VALUES(people);

ALTER TABLE town_name ADD COLUMN initial VARCHAR(1) NOT NULL DEFAULT '';

UPDATE town_name SET initial = LEFT(name, 1);

ALTER TABLE town_name ADD KEY initial (initial, population DESC, town_id);
