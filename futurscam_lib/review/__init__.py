"""The reviewer's morning: findings, tables, pages."""
