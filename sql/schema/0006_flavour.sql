-- Both bits of tags in every index: hardly anybody is read who has not enough of the viewer's tags.
ALTER TABLE candidate
    DROP KEY c1, DROP KEY c4, DROP KEY c16, DROP KEY c64, DROP KEY c256, DROP KEY c1024,
    DROP KEY born, DROP KEY fame, DROP KEY everybody,
    ADD KEY c1 (c1, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY c4 (c4, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY c16 (c16, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY c64 (c64, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY c256 (c256, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY c1024 (c1024, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY born (born, gender, slot, sex, birth_date, fame, x, y, z, taste, flavour),
    ADD KEY fame (fame, gender, slot, sex, birth_date, x, y, z, taste, flavour),
    ADD KEY everybody (gender, slot, sex, birth_date, fame, x, y, z, taste, flavour);
