"""What Android prints, in the forms of AOSP's sources of several versions, with invented apps.

``dumpsys package``: ``Settings.dumpPackageLPr``. ``dumpsys activity activities``: ``RootWindowContainer`` and its
predecessors. ``/proc/net``: ``tcp4_seq_show`` and its like in Linux.
"""

from __future__ import annotations

# ruff: noqa: E501 - the lines of the kernel are as long as they are

SHOP = "com.example.shop"

PACKAGE_15 = """Activity Resolver Table:
  Schemes:
      https:
        12ab34 com.example.shop/.Main filter 56cd78
Permissions:
  Permission [com.example.shop.DYNAMIC_RECEIVER_NOT_EXPORTED_PERMISSION] (7c0f0a):
    sourcePackage=com.example.shop
    uid=10234 gids=[] type=0 prot=signature
Packages:
  Package [com.example.shop] (a1b2c3d):
    appId=10234
    pkg=Package{e1f2a3b com.example.shop}
    codePath=/data/app/~~Vx1==/com.example.shop-Qy2==
    resourcePath=/data/app/~~Vx1==/com.example.shop-Qy2==
    legacyNativeLibraryDir=/data/app/~~Vx1==/com.example.shop-Qy2==/lib
    extractNativeLibs=false
    primaryCpuAbi=arm64-v8a
    secondaryCpuAbi=null
    cpuAbiOverride=null
    versionCode=51200 minSdk=24 targetSdk=34
    minExtensionVersions=[]
    versionName=5.12.0 (release)
    usesNonSdkApi=false
    splits=[base, config.arm64_v8a]
    apkSigningVersion=3
    flags=[ HAS_CODE ALLOW_CLEAR_USER_DATA ALLOW_BACKUP ]
    privateFlags=[ PRIVATE_FLAG_ACTIVITIES_RESIZE_MODE_RESIZEABLE ]
    forceQueryable=false
    dataDir=/data/user/0/com.example.shop
    supportsScreens=[small, medium, large]
    timeStamp=2026-11-01 09:00:00
    lastUpdateTime=2026-11-01 09:00:02
    installerPackageName=com.android.vending
    installerPackageUid=10146
    initiatingPackageName=com.android.vending
    originatingPackageName=null
    packageSource=2
    signatures=PackageSignatures{9f8e7d6 version:3, signatures:[1a2b3c4d], past signatures:[]}
    installPermissionsFixed=true
    pkgFlags=[ HAS_CODE ALLOW_CLEAR_USER_DATA ALLOW_BACKUP ]
    declared permissions:
      com.example.shop.DYNAMIC_RECEIVER_NOT_EXPORTED_PERMISSION: prot=signature, INSTALLED
    requested permissions:
      android.permission.INTERNET
      android.permission.ACCESS_FINE_LOCATION
      android.permission.READ_CONTACTS
      android.permission.WRITE_EXTERNAL_STORAGE: restricted=true
      com.google.android.gms.permission.AD_ID
    install permissions:
      android.permission.INTERNET: granted=true
      com.google.android.gms.permission.AD_ID: granted=true
      com.example.shop.DYNAMIC_RECEIVER_NOT_EXPORTED_PERMISSION: granted=true
    User 0: ceDataInode=8123 deDataInode=4410 installed=true hidden=false suspended=false distractionFlags=0
      installReason=4
      firstInstallTime=2026-11-01 09:00:02
      uninstallReason=0
      gids=[3003]
      runtime permissions:
        android.permission.ACCESS_FINE_LOCATION: granted=true, flags=[ USER_SET|USER_SENSITIVE_WHEN_GRANTED ]
        android.permission.READ_CONTACTS: granted=false, flags=[ USER_SET|USER_FIXED ]
    User 10: ceDataInode=0 installed=false hidden=false suspended=false distractionFlags=0 stopped=true
      gids=[]
      runtime permissions:
        android.permission.READ_CONTACTS: granted=true, flags=[ ]

Queries:
  system apps queryable: false

Package Changes:
  Sequence number=22
"""

PACKAGE_9_UPDATED_SYSTEM = """Packages:
  Package [com.example.maps] (4d5e6f7):
    userId=1000
    sharedUser=SharedUserSetting{d1c2b3a android.uid.system/1000}
    pkg=Package{1f2e3d4 com.example.maps}
    codePath=/data/app/com.example.maps-3wQ==
    versionCode=900 minSdk=21 targetSdk=23
    versionName=9.0
    splits=[base]
    flags=[ SYSTEM HAS_CODE UPDATED_SYSTEM_APP DEBUGGABLE ]
    installerPackageName=null
    requested permissions:
      android.permission.INTERNET
    install permissions:
      android.permission.INTERNET: granted=true
    User 0: ceDataInode=77 installed=true hidden=false
      gids=[3003]
      runtime permissions:

Hidden system packages:
  Package [com.example.maps] (0a0b0c0):
    userId=1000
    codePath=/system/app/Maps
    versionCode=100 minSdk=21 targetSdk=21
    versionName=1.0
"""

PACKAGES_LISTED = """package:com.example.shop
package:com.example.pay
"""
PACKAGES_UIDS = """package:com.example.pay uid:10240
package:com.example.pay.helper uid:10240
package:com.example.shop uid:10234,1010234
package:com.android.shell uid:2000
package:android uid:1000
"""
PACKAGES_DUMPED = """Packages:
  Package [com.example.shop] (a1b2c3d):
    appId=10234
    versionCode=51200 minSdk=24 targetSdk=34
    versionName=5.12.0 (release)
  Package [com.example.pay] (b1b2c3d):
    appId=10240
    versionCode=3 minSdk=24 targetSdk=34
    versionName=null
Hidden system packages:
  Package [com.example.shop] (c1b2c3d):
    versionCode=1 minSdk=24 targetSdk=34
    versionName=0.1
"""

FRONT = {
    "8": (
        "    mResumedActivity: ActivityRecord{5c8a2f u0 com.example.shop/.ui.Main t112}\n"
        "  mFocusedActivity: ActivityRecord{5c8a2f u0 com.example.shop/.ui.Main t112}\n"
    ),
    "10": (
        "    mResumedActivity: ActivityRecord{9d1 u0 com.example.shop/com.example.shop.ui.Main t81}\n"
        "  ResumedActivity: ActivityRecord{9d1 u0 com.example.shop/com.example.shop.ui.Main t81}\n"
    ),
    "12": (
        "    topResumedActivity=ActivityRecord{a0a u0 com.example.shop/.ui.Main t23}\n"
        "  ResumedActivity: ActivityRecord{a0a u0 com.example.shop/.ui.Main t23}\n"
    ),
    "14": "      topResumedActivity=ActivityRecord{2f4f4f u0 com.example.shop/.ui.Main t1402}\n",
    "16": (
        "    topResumedActivity=ActivityRecord{148020533 u0 com.example.shop/.ui.Main t9 d0}\n"
        "  ResumedActivity: ActivityRecord{148020533 u0 com.example.shop/.ui.Main t9 d0}\n"
    ),
}

TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:13AD 00000000:0000 0A 00000000:00000000 00:00000000 00000000  2000        0 31007 1 0000000000000000 100 0
   1: 0100000A:B2C4 2D2D2D2D:01BB 01 00000000:00000000 00:00000000 00000000 10234        0 51001 1 0000000000000000 20 4
   2: 0100000A:B2C5 2E2D2D2D:01BB 06 00000000:00000000 03:00000F00 00000000     0        0 0 3 0000000000000000
   3: 0100000A:B2C6 2F2D2D2D:0050 02 00000000:00000000 00:00000000 00000000 10240        0 51003 1 0000000000000000 20 4
   4: 0100007F:9999 0100007F:13AD 01 00000000:00000000 00:00000000 00000000 10234        0 51004 1 0000000000000000 20 4
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 0000000000000000FFFF00000100000A:D0D0 0000000000000000FFFF000009090909:01BB 01 00000000:00000000 02:0000 00000000 10234        0 52001 2 0 20 4
   1: 000080FE00000000FF005450563412FE:8001 B80D0120000000000000000001000000:01BB 01 00000000:00000000 00:0000 00000000 10234        0 52002 1 0 20 4
"""
UDP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  10: 0100000A:C350 08080808:01BB 01 00000000:00000000 00:00000000 00000000 10234        0 53001 2 0000000000000000 0
  11: 00000000:C351 00000000:0000 07 00000000:00000000 00:00000000 00000000 10240        0 53002 2 0000000000000000 0
  12: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000  1020        0 53003 2 0000000000000000 0
"""
