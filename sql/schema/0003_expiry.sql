-- What has expired is found by its time, however many there are that have not.
ALTER TABLE session ADD KEY expiring (expires_at);

ALTER TABLE link ADD KEY expiring (expires_at);
