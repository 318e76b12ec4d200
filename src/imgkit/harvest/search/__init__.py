"""Asking search services: sessions, paging, filters, licences and excluded words."""
