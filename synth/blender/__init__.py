"""The only floor that imports bpy."""
